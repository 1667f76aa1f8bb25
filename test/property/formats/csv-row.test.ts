import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvRow } from '../../../src/formats/csv-row.ts';
import { LineSplitter } from '../../../src/formats/line-splitter.ts';
import { bytesOf } from '../../unit/formats/reading.ts';

/** The simplest correct reader of one row: a character at a time, no offsets, no speed. Undefined when the quoting is broken. */
function dumbRow(text: string, delimiter: string): string[] | undefined {
  const cells: string[] = [];
  let rest = text;
  for (;;) {
    const trimmed = rest.replace(/^ +/, '');
    let cell = '';
    if (trimmed.startsWith('"')) {
      rest = trimmed.slice(1);
      for (;;) {
        if (rest === '') return undefined;
        if (rest.startsWith('""')) {
          cell += '"';
          rest = rest.slice(2);
        } else if (rest.startsWith('"')) {
          rest = rest.slice(1).replace(/^ +/, '');
          break;
        } else {
          cell += rest[0];
          rest = rest.slice(1);
        }
      }
      if (rest !== '' && !rest.startsWith(delimiter)) return undefined;
    } else {
      const end = trimmed.indexOf(delimiter);
      cell = (end < 0 ? trimmed : trimmed.slice(0, end)).replace(/ +$/, '');
      rest = end < 0 ? '' : trimmed.slice(end);
    }
    cells.push(cell);
    if (rest === '') return cells;
    rest = rest.slice(1);
  }
}

describe('the CSV tokenizer', () => {
  it('finds the cells that the simplest correct reader finds', () => {
    const row = new CsvRow();
    const text = fc
      .array(fc.constantFrom('"', '""', ',', ';', ' ', 'a', '1.5', '°', '\t', 'é'), { maxLength: 20 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.constantFrom(',', ';', '\t'), fc.nat(5), (line, delimiter, padding) => {
        const bytes = bytesOf('x'.repeat(padding) + line);
        row.scan(bytes, padding, bytes.length, delimiter.charCodeAt(0));
        const expected = dumbRow(line, delimiter);
        expect(row.flaw === undefined).toBe(expected !== undefined);
        if (expected) expect(Array.from({ length: row.count }, (_, index) => row.text(index))).toEqual(expected);
      }),
      { seed: 7, numRuns: 5000 },
    );
  });
});

describe('the line splitter', () => {
  it('finds the lines that splitting the whole text finds, however it is pushed', () => {
    const text = fc.array(fc.constantFrom('\n', '\r\n', '\r', 'a', 'bc', '\0'), { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        text.filter((value) => !value.includes('\0\0')),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
        (whole, sizes) => {
          const splitter = new LineSplitter(0, false);
          const bytes = bytesOf(whole);
          const lines: string[] = [];
          const drain = (atEnd: boolean): void => {
            for (let piece = splitter.next(atEnd); piece; piece = splitter.next(atEnd)) {
              lines.push(new TextDecoder().decode(splitter.bytes.slice(piece.from, piece.textTo)));
            }
          };
          for (let at = 0, push = 0; at < bytes.length; push++) {
            const size = sizes[push % sizes.length] as number;
            splitter.push(bytes.subarray(at, at + size));
            drain(false);
            at += size;
          }
          drain(true);
          const expected = whole.split('\n').map((line) => line.replace(/\r$/, ''));
          if (whole === '' || whole.endsWith('\n')) expected.pop();
          expect(lines).toEqual(expected);
        },
      ),
      { seed: 7, numRuns: 2000 },
    );
  });
});
