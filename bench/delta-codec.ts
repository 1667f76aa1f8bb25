/**
 * Bytes and seconds of one change to an 80 MB file: our whole delta (the plan without hashes, and its groups) beside `xdelta3 -9`, where that is installed.
 *
 *     node bench/delta-codec.ts [--effort fast|normal|high] [--only WORD] [--megabytes N]
 *
 * What a gzip edit costs depends on how much of the deflate stream it leaves as it was: compare it with xdelta3 on the same file, not with the goal.
 *
 * Every delta is decoded again and compared.
 */

import { parseArgs } from 'node:util';
import { concatBytes, equalBytes } from '../src/core/bytes.ts';
import type { Hash } from '../src/core/identifiers.ts';
import { ChunkSplitter, chunkParametersFor } from '../src/datasets/chunking.ts';
import { decodeGroup, type EncodingEffort, encodeGroup } from '../src/datasets/delta-group.ts';
import type { ChunkRef } from '../src/datasets/manifest.ts';
import { freshChunks, planTransfer } from '../src/datasets/transfer-plan.ts';
import { planGroups } from '../src/datasets/transfer-plan-groups.ts';
import { findSources } from '../src/datasets/transfer-plan-sources.ts';
import { decodePlan, encodePlan } from '../src/datasets/transfer-plan-wire.ts';
import { nodeCrypto } from '../src/runtime/node-crypto.ts';
import { zstdCompressor } from '../src/runtime/zstd-compressor.ts';
import { deltaPatterns } from './delta-patterns.ts';
import { measureXdelta } from './delta-peers.ts';

const { values: argumentsGiven } = parseArgs({
  options: {
    effort: { type: 'string', default: 'high' },
    only: { type: 'string', default: '' },
    megabytes: { type: 'string', default: '80' },
  },
});
const effort = argumentsGiven.effort as EncodingEffort;
const fileBytes = Number(argumentsGiven.megabytes) * 1e6;

/* ---- measuring ---- */

interface Cut {
  readonly refs: ChunkRef[];
  readonly chunks: Uint8Array[];
}

function cut(bytes: Uint8Array): Cut {
  const splitter = new ChunkSplitter(chunkParametersFor(fileBytes));
  const chunks = [...splitter.push(bytes), ...splitter.end()];
  return { chunks, refs: chunks.map((chunk) => ({ hash: nodeCrypto.sha256(chunk) as Hash, lengthBytes: chunk.length })) };
}

interface Measured {
  readonly planBytes: number;
  readonly groupBytes: number;
  readonly encodings: string;
  readonly encodeSeconds: number;
  readonly decodeSeconds: number;
}

async function measureOurs(base: Cut, target: Cut): Promise<Measured> {
  const chunkByHash = new Map(
    [base, target].flatMap(({ refs, chunks }) => refs.map((ref, index) => [ref.hash.toHex(), chunks[index] as Uint8Array])),
  );
  const begun = performance.now();
  const plan = await findSources(planTransfer(target.refs, base.refs), base.refs, ({ hash }) => chunkByHash.get(hash.toHex()));
  const planBytes = encodePlan(plan, base.refs, { withHashes: false, compressor: zstdCompressor });
  const fresh = freshChunks(plan).map((chunk) => chunkByHash.get((chunk.hash as Hash).toHex()) as Uint8Array);
  const groups = planGroups(plan, base.refs);
  const baseOf = (group: (typeof groups)[number]) =>
    group.baseRuns.flatMap(({ baseIndex, count }) => base.chunks.slice(baseIndex, baseIndex + count));
  const encoded = groups.map((group) =>
    encodeGroup(fresh.slice(group.firstFresh, group.firstFresh + group.freshCount), baseOf(group), { compressor: zstdCompressor, effort }),
  );
  const encodeSeconds = (performance.now() - begun) / 1000;

  const decodeBegun = performance.now();
  const decodedPlan = decodePlan(
    planBytes,
    base.refs,
    target.refs.reduce((sum, ref) => sum + ref.lengthBytes, 0),
    zstdCompressor,
  );
  if (!decodedPlan.ok) throw new Error(decodedPlan.fault.message);
  for (const [index, group] of planGroups(decodedPlan.value, base.refs).entries()) {
    const decoded = decodeGroup(encoded[index] as Uint8Array, baseOf(group), group.targetBytes, zstdCompressor);
    if (!decoded.ok) throw new Error(decoded.fault.message);
    const wanted = concatBytes(...fresh.slice(group.firstFresh, group.firstFresh + group.freshCount));
    if (!equalBytes(decoded.value, wanted)) throw new Error('the delta decodes to other bytes');
  }
  return {
    planBytes: planBytes.length,
    groupBytes: encoded.reduce((sum, bytes) => sum + bytes.length, 0),
    encodings: encoded.map((bytes) => bytes[0]).join(','),
    encodeSeconds,
    decodeSeconds: (performance.now() - decodeBegun) / 1000,
  };
}

console.log(`effort ${effort}, files of ${fileBytes / 1e6} MB`);
console.log(
  ['change'.padEnd(28), 'plan', 'groups', 'total', 'xdelta3', 'share', 'goal', 'ok', 'enc s', 'dec s', 'xd s', 'encodings']
    .map((title, index) => (index === 0 ? title : title.padStart(9)))
    .join(''),
);
for (const change of deltaPatterns) {
  if (!change.name.includes(argumentsGiven.only)) continue;
  const { base, target } = change.make(fileBytes);
  const ours = await measureOurs(cut(base), cut(target));
  const xdelta = measureXdelta(base, target);
  const goalShare = Math.min(1, change.prototypeBytes / change.xdeltaBytes);
  const total = ours.planBytes + ours.groupBytes;
  const share = xdelta === undefined ? undefined : total / xdelta.bytes;
  const cells = [
    ours.planBytes,
    ours.groupBytes,
    total,
    xdelta?.bytes ?? '-',
    share?.toFixed(3) ?? '-',
    goalShare.toFixed(3),
    share === undefined ? '-' : share <= goalShare ? 'yes' : 'NO',
    ours.encodeSeconds.toFixed(2),
    ours.decodeSeconds.toFixed(2),
    xdelta?.seconds.toFixed(2) ?? '-',
    ours.encodings,
  ];
  console.log(change.name.padEnd(28) + cells.map((cell) => String(cell).padStart(9)).join(''));
}
