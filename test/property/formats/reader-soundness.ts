import { expect } from 'vitest';
import type { Random } from '../../../src/core/random.ts';
import type { ParsedItem } from '../../../src/formats/record-stream.ts';
import { expectTiling } from '../../unit/formats/reading.ts';

/** What holds for the items of any file, whole or broken: they tile the first `length` bytes, and records fit the table they stand in. */
export function expectSound(items: readonly ParsedItem[], length: number): void {
  expectTiling(items, length);
  let fields = -1;
  for (const item of items) {
    if (item.type === 'table') fields = item.table.fields.length;
    if (item.type !== 'record') continue;
    if (item.cells.length !== fields) expect.fail(`a record of ${item.cells.length} cells in a table of ${fields} fields`);
    if (!Number.isSafeInteger(item.stamp.localUs)) expect.fail(`a record at ${item.stamp.localUs}`);
  }
}

/** Damages a file: bytes changed, cut out, put in, doubled, zeroed, halves exchanged. `alphabet` holds the bytes that mean something in the format. */
export function damaged(bytes: Uint8Array, random: Random, alphabet: string): Uint8Array {
  let result = Array.from(bytes);
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    const at = random.below(result.length + 1);
    const length = random.below(random.below(4) === 0 ? 200 : 6);
    const someByte = () => alphabet.charCodeAt(random.below(alphabet.length));
    const kinds = [
      () => result.splice(at, length),
      () => result.splice(at, 0, ...Array.from({ length }, someByte)),
      () => result.splice(at, length, ...Array.from({ length }, someByte)),
      () => result.splice(at, length, ...new Array<number>(length).fill(0)),
      () => result.splice(at, 0, ...result.slice(at, at + 3 * length)),
      () => (result = [...result.slice(at), ...result.slice(0, at)]),
    ];
    kinds[random.below(kinds.length)]?.();
  }
  return Uint8Array.from(result);
}
