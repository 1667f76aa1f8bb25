import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const authors = [1, 2].map((number) => {
  const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(number));
  return { node: identifier<NodeId>(pair.publicKey), key: pair.secretKey };
});

/** Two logs of four entries, and for the first author a second history that parts from the third entry on. */
const source = new LogStore(openSqliteCatalog(':memory:'), crypto);
const twin = new LogStore(openSqliteCatalog(':memory:'), crypto);
const honest = authors.flatMap(({ node, key }) => [1, 2, 3, 4].map((n) => source.append(dataset, node, key, Uint8Array.of(n))));
const forked = [1, 2, 33, 44].map((n) => twin.append(dataset, authors[0]!.node, authors[0]!.key, Uint8Array.of(n))).slice(2);

type Delivery = { entry: LogEntry; flip: number | undefined };
const deliveries = (entries: readonly LogEntry[]) =>
  fc.array(
    fc.record({
      entry: fc.constantFrom(...entries),
      flip: fc.option(fc.nat({ max: 511 }), { nil: undefined, freq: 4 }),
    }) satisfies fc.Arbitrary<Delivery>,
    { maxLength: 40 },
  );

function deliver(store: LogStore, { entry, flip }: Delivery): string {
  const signature = entry.signature.slice();
  if (flip !== undefined) signature[flip >> 3] = signature[flip >> 3]! ^ (1 << (flip & 7));
  const outcome = store.accept(dataset, { ...entry, signature });
  return outcome.ok ? outcome.value : outcome.fault.code;
}

describe('logs that come in any order, again and again, some of it damaged', () => {
  it('hold exactly the longest prefix that a plain list would', () => {
    fc.assert(
      fc.property(deliveries(honest), (all) => {
        const store = new LogStore(openSqliteCatalog(':memory:'), crypto);
        const lengths = new Map<NodeId, number>();
        for (const delivery of all) {
          const { author, sequence } = delivery.entry;
          const length = lengths.get(author) ?? 0;
          const expected =
            sequence > length + 1 ? 'LOG_GAP' : sequence <= length ? 'known' : delivery.flip === undefined ? 'stored' : 'LOG_SIGNATURE';
          expect(deliver(store, delivery)).toBe(expected);
          if (expected === 'stored') lengths.set(author, sequence);
        }
        expect(new Map(store.lengths(dataset))).toEqual(lengths);
        for (const [author, length] of lengths) {
          expect(store.read(dataset, author, 1, 9, 1e6).map(({ body }) => body[0])).toEqual([1, 2, 3, 4].slice(0, length));
        }
        expect(store.forkedAuthors(dataset)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('hold one history of a forked log, never a mixture, and whatever can be appended verifies elsewhere', () => {
    fc.assert(
      fc.property(deliveries([...honest.slice(0, 4), ...forked]), (all) => {
        const store = new LogStore(openSqliteCatalog(':memory:'), crypto);
        for (const delivery of all) deliver(store, delivery);
        const held = store.read(dataset, authors[0]!.node, 1, 9, 1e6);
        const bodies = held.map(({ body }) => body[0]);
        const histories = [
          [1, 2, 3, 4],
          [1, 2, 33, 44],
        ];
        expect(histories.map((history) => history.slice(0, bodies.length))).toContainEqual(bodies);
        const reader = new LogStore(openSqliteCatalog(':memory:'), crypto);
        for (const entry of held) expect(reader.accept(dataset, entry)).toEqual({ ok: true, value: 'stored' });
      }),
      { numRuns: 60 },
    );
  });
});
