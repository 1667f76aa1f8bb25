const digit = /^\d$/;

function isDigit(text: string, at: number): boolean {
  return digit.test(text[at] ?? '');
}

/**
 * A number's own digits, written with a decimal point and without marks between the thousands; any other text as it is.
 *
 * A number that has points and commas has its decimal mark last, and the others are thousands marks: `1.234,5` and `1,234.5` are both `1234.5`. A single comma between digits is a decimal
 * comma where commas do not separate cells (`decimalComma`); elsewhere it is left alone, as nothing says what it is. Zeros at the end and a sign stay.
 */
export function decimalPoint(text: string, decimalComma: boolean): string {
  const comma = text.lastIndexOf(',');
  if (comma < 0) return text;
  for (let at = 0; at < text.length; at++) {
    const allowed = isDigit(text, at) || ',.'.includes(text[at] as string) || (at === 0 && '+-'.includes(text[at] as string));
    if (!allowed) return text;
  }
  const point = text.lastIndexOf('.');
  if (point > comma) return text.indexOf('.') === point ? text.replaceAll(',', '') : text;
  if (text.indexOf(',') !== comma) return text;
  if (point < 0 && !decimalComma) return text;
  return isDigit(text, comma + 1) ? text.replaceAll('.', '').replace(',', '.') : text;
}
