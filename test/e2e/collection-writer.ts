import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { type DatasetId, identifier, type NodeId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { ContentStore } from '../../src/datasets/content-store.ts';
import { FileIndex } from '../../src/datasets/file-index.ts';
import { GarbageCollection } from '../../src/datasets/garbage-collection.ts';
import { Retention } from '../../src/datasets/retention.ts';
import { TransferJournal } from '../../src/forwarding/transfer-journal.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';

/** What a killed collection works on, as a node puts it together. */
export async function openKeeper(directory: string) {
  const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
  const chunks = await openPackStore(directory);
  const contents = new ContentStore(catalog, chunks, nodeCrypto);
  const index = new FileIndex(catalog);
  const retention = new Retention(catalog, index, (root) => contents.holds(root), new TransferJournal(catalog));
  await contents.recover();
  return { catalog, chunks, contents, index, retention };
}

/** The dataset and its one author. */
export const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
export const author = identifier<NodeId>(new Uint8Array(32).fill(2));
/** Bytes that superseded versions may keep. */
export const quotaBytes = 100_000;

/** The bytes of a version: different from all others, of which half compresses. */
export function versionBytes(number: number): Uint8Array {
  const bytes = seededRandom(number).bytes(20_000 + (number % 7) * 9000);
  return bytes.fill(7, bytes.length >> 1);
}

/** Publishes version after version of one path and pins every tenth, while collections run one after the other, for ever; says each version that is durable, a line each. */
async function publishAndCollectForEver(directory: string): Promise<never> {
  const { catalog, chunks, contents, index, retention } = await openKeeper(directory);
  let number = index.heads(dataset, 'p')[0]?.sequence ?? 0;
  const publish = async (): Promise<void> => {
    const content = await contents.addBytes(versionBytes(++number));
    const superseded = number === 1 ? [] : [{ author, sequence: number - 1 }];
    catalog.transaction(() => {
      const change = { path: 'p', superseded, kind: 'file', content, mtimeNs: 1n, mode: 0o644 } as const;
      index.apply(
        dataset,
        { author, sequence: number },
        { instant: { wallMs: number, counter: 0 }, clockQuality: 'ntp' },
        [change],
        number,
      );
      if (number % 10 === 0) retention.pin({ dataset, path: 'p', author, sequence: number, name: `every tenth ${number}` });
    });
    writeSync(1, `${number}\n`);
  };
  for (;;) {
    await publish();
    const collection = new GarbageCollection({ catalog, chunks, contents, retention }, quotaBytes);
    // A step of the one between any two of the other.
    while (!(await collection.step(4096))) await publish();
  }
}

const [directory] = process.argv.slice(2);
if (import.meta.main && directory !== undefined) await publishAndCollectForEver(directory);
