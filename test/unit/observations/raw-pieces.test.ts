import { expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier } from '../../../src/core/identifiers.ts';
import { IngestLedger } from '../../../src/observations/ingest-ledger.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [dataset, other] = [1, 2].map((byte) => identifier<DatasetId>(new Uint8Array(32).fill(byte))) as [DatasetId, DatasetId];
const root = (number: number): Hash => new Uint8Array(32).fill(number) as Hash;

it('raw bytes are known as such, and listed by source in the order in which they were read', () => {
  const ledger = new IngestLedger(openSqliteCatalog(':memory:'));
  const piece = (source: string, offset: number, number: number) => ({ source, offset, lengthBytes: 10, root: root(number) });
  for (const each of [piece('met.dat', 10, 5), piece('met.dat', 20, 3), piece('pit.dat', 0, 9), piece('met.dat', 20, 3)])
    ledger.archive(dataset, each);
  ledger.archive(other, piece('met.dat', 0, 7));
  expect(ledger.rawPieces(dataset, 'met.dat')).toEqual([piece('met.dat', 10, 5), piece('met.dat', 20, 3)]);
  expect([3, 5, 7, 8, 9].map((number) => ledger.isRaw(root(number)))).toEqual([true, true, true, false, true]);
});
