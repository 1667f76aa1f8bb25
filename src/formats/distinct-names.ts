/**
 * Names of columns, each different from the others and none empty, as a table needs them.
 *
 * A name that stands alone stays as it is. The second and later ones of the same name get their mark, where marks are given and tell them apart, or else the column's position:
 * `Temperature (22124011)`, `sal00 (9)`, `column 3`. Positions count from 1.
 *
 * @param names as written
 * @param marks what may tell columns of the same name apart, such as a serial number; empty or absent where there is none
 */
export function distinctNames(names: readonly string[], marks: readonly string[] = []): string[] {
  const uses = new Map<string, number>();
  const use = (key: string): void => {
    uses.set(key, (uses.get(key) ?? 0) + 1);
  };
  const markKey = (index: number) => `${names[index]}\0${marks[index]}`;
  names.forEach((name, index) => {
    use(name);
    if (marks[index]) use(markKey(index));
  });
  const taken = new Set<string>();
  return names.map((name, index) => {
    const marked = uses.get(name) !== 1 && marks[index] && uses.get(markKey(index)) === 1;
    let distinct = name === '' ? `column ${index + 1}` : marked ? `${name} (${marks[index]})` : name;
    for (let position = index + 1; taken.has(distinct); position++) distinct = `${name} (${position})`.trim();
    taken.add(distinct);
    return distinct;
  });
}
