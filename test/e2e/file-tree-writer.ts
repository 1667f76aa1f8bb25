import { writeSync } from 'node:fs';
import { openDiskFileTree } from '../../src/runtime/disk-file-tree.ts';

/**
 * Replaces one file for ever with its next version, and says each version that is in place. Version `n` is 300,000 + n bytes of the value n mod 256. Arguments: directory, first version.
 */
const [directory, first] = process.argv.slice(2) as [string, string];
const tree = openDiskFileTree(directory);

async function* content(version: number): AsyncGenerator<Uint8Array> {
  const bytes = new Uint8Array(300_000 + version).fill(version);
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

for (let version = Number(first); ; version++) {
  await tree.write('site/data.bin', content(version), {});
  writeSync(1, `${version}\n`);
}
