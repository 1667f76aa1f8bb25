import type { Random } from '../../src/core/random.ts';
import type { Platform } from '../../src/node/platform.ts';
import type { FileTree } from '../../src/ports/file-tree.ts';
import type { CampaignPlan, Deed } from '../../src/simulation/campaign-plan.ts';
import { type CatalogBackup, copyOf, setBack } from '../../src/simulation/simulated-catalog.ts';
import { withCatalog } from './changed-catalog.ts';

/**
 * Mistakes that a node could make, each put between the real node and its platform, with what the checkers must say of it. A checker that has never seen its mistake is not known to look.
 */

/** One mistake. */
export interface PlantedBug {
  readonly title: string;
  /** The platform of a node that makes the mistake. Called again at every start of the process; `memory` is the computer's and lasts. */
  readonly tamper: (platform: Platform, random: Random, memory: Memory) => Platform;
  /** One of the problems found must match. */
  readonly shows: RegExp;
  /** Where the bug shows; drawn plans if absent. */
  readonly plan?: CampaignPlan;
}

/** What a planted bug keeps of one computer. */
export interface Memory {
  older?: CatalogBackup;
  /** When the disk last wrote what was in its cache. */
  flushedMs?: number;
}

/** A catalog in which some statements are not carried out, though they say they were. */
function forgetting(statement: RegExp, oneIn: number): PlantedBug['tamper'] {
  return (platform, random) =>
    withCatalog(platform, (catalog) => ({
      run: (sql, ...parameters) => (statement.test(sql) && random.below(oneIn) === 0 ? 1 : catalog.run(sql, ...parameters)),
    }));
}

function withTrees(platform: Platform, change: (tree: FileTree) => Partial<FileTree>): Platform {
  return {
    ...platform,
    openTree: (directory) => {
      const tree = platform.openTree(directory);
      const changed = change(tree);
      return new Proxy(tree, {
        get: (target, key) => {
          const value: unknown = Reflect.get(key in changed ? changed : target, key);
          return typeof value === 'function' ? value.bind(key in changed ? changed : target) : value;
        },
      });
    },
  };
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 4;
  return copy;
}

const manyHeads = `SELECT dataset, path FROM file_revision WHERE head = 1 GROUP BY dataset, path HAVING count(*) > 1`;

const twoComputers: Omit<CampaignPlan, 'steps'> = {
  seed: 1,
  nodes: [
    { name: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false },
    { name: 'ridge', parent: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false },
  ],
  links: [{ a: 'base', b: 'ridge', medium: '' }],
  conflictPolicy: 'keep-both',
  fileCount: 4,
  bytesMax: 500,
};

function steps(...deeds: readonly Deed[]): CampaignPlan['steps'] {
  return deeds.map((deed, index) => ({ ...deed, number: index + 1, thenMs: 10_000 }));
}

/** A computer is set back and works before it has heard what it had written since; then it goes on working. */
const forking: CampaignPlan = {
  ...twoComputers,
  steps: steps(
    { do: 'edit', node: 'ridge', seed: 1 },
    { do: 'back up', node: 'ridge' },
    { do: 'edit', node: 'ridge', seed: 2 },
    { do: 'edit', node: 'ridge', seed: 3 },
    { do: 'restore', node: 'ridge', seed: 4 },
    { do: 'edit', node: 'ridge', seed: 5 },
    { do: 'edit', node: 'ridge', seed: 6 },
    { do: 'edit', node: 'ridge', seed: 7 },
  ),
};

/** The power fails a moment after a file was published and acknowledged, and nobody else has it yet. */
const cutting: CampaignPlan = {
  ...twoComputers,
  steps: steps(
    { do: 'cut', link: 'base-ridge', oneWay: false },
    ...[1, 2, 3, 4, 5, 6].flatMap((seed): Deed[] => [
      { do: 'edit', node: 'ridge', seed },
      { do: 'kill', node: 'ridge' },
      { do: 'start', node: 'ridge' },
    ]),
  ).map((step) => (step.do === 'edit' ? { ...step, thenMs: 200 } : step)),
};

/** A truck carries between two computers that do not hear each other, and then they do. */
const carrying: CampaignPlan = {
  ...twoComputers,
  nodes: [
    ...twoComputers.nodes,
    { name: 'truck', parent: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false, isCarrier: true },
  ],
  links: [...twoComputers.links, { a: 'base', b: 'truck', medium: '' }, { a: 'ridge', b: 'truck', medium: '' }],
  steps: steps(
    { do: 'cut', link: 'base-ridge', oneWay: false },
    { do: 'cut', link: 'ridge-truck', oneWay: false },
    { do: 'edit', node: 'base', seed: 1 },
    { do: 'heal', link: 'ridge-truck' },
  ).map((step) => ({ ...step, thenMs: 60_000 })),
};

/** All of them. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    title: 'acknowledges before it is durable',
    tamper: (platform, _, memory) => {
      // Commits are in the disk's cache for a while; a new process finds what had reached the disk.
      if (memory.older !== undefined) setBack(platform.catalog, memory.older);
      let depth = 0;
      return withCatalog(platform, (catalog) => ({
        transaction: (work) => {
          depth++;
          try {
            return catalog.transaction(work);
          } finally {
            const { monotonicMs } = platform.clock.now();
            if (--depth === 0 && monotonicMs - (memory.flushedMs ?? 0) > 5000) {
              memory.older = copyOf(catalog);
              memory.flushedMs = monotonicMs;
            }
          }
        },
      }));
    },
    shows: /promised|does not know|cannot read/,
    plan: cutting,
  },
  {
    title: 'drops a head of a conflict',
    tamper: (platform) =>
      withCatalog(platform, (catalog) => ({
        transaction: (work) =>
          catalog.transaction(() => {
            const result = work();
            catalog.run(
              `UPDATE file_revision SET head = 0 WHERE head = 1 AND (dataset, path) IN (${manyHeads})
               AND author = (SELECT min(author) FROM file_revision AS other WHERE other.head = 1 AND other.path = file_revision.path)`,
            );
            return result;
          }),
      })),
    shows: /dropped the head/,
  },
  {
    title: 'serves chunks that it has not verified',
    tamper: (platform, random) => {
      const { chunks } = platform;
      return {
        ...platform,
        chunks: {
          append: (records) => chunks.append(records),
          packs: () => chunks.packs(),
          truncateAfter: (pack, lengthBytes) => chunks.truncateAfter(pack, lengthBytes),
          remove: (pack) => chunks.remove(pack),
          close: () => chunks.close(),
          // All are read one by one.
          readTogether: async () => [],
          read: async (place, hash) => {
            const bytes = await chunks.read(place, hash);
            return bytes instanceof Uint8Array && random.below(4) === 0 ? flipped(bytes) : bytes;
          },
        },
      };
    },
    shows: /cannot read|shows other bytes|not the same/,
  },
  {
    title: 'writes other bytes to the directory than it has',
    tamper: (platform) =>
      withTrees(platform, (tree) => ({
        write: (path, content, attributes) => {
          async function* damaged(): AsyncGenerator<Uint8Array> {
            for await (const part of content) yield flipped(part);
          }
          return tree.write(path, damaged(), attributes);
        },
      })),
    shows: /shows other bytes|not the same/,
  },
  {
    title: 'stores an entry of a peer that it forgets again',
    tamper: forgetting(/^INSERT INTO log_entry|^UPDATE log SET length/, 12),
    shows: /was delivered|not the same|promised|dropped the head|shows .* which was replaced|InvariantViolation|Error/,
  },
  {
    title: 'throws away what came second of a log that forked',
    tamper: forgetting(/^INSERT INTO log_branch /, 1),
    shows: /is forked still|not the same/,
    plan: forking,
  },
  {
    title: 'gives up what it wrote on another branch',
    tamper: forgetting(/^INSERT INTO log_branch_entry .* SELECT/, 1),
    shows: /is forked still|not the same|does not know/,
    plan: forking,
  },
  {
    title: 'loses a row of observations',
    tamper: forgetting(/^INSERT OR IGNORE INTO observation/, 40),
    shows: /lacks record|not the same/,
  },
  {
    title: 'does not end what was signed for',
    tamper: forgetting(/^UPDATE delivery SET state/, 1),
    shows: /has the log of .* for .*, which signed for it/,
    plan: carrying,
  },
  {
    title: 'goes on carrying what everybody has',
    tamper: forgetting(/^DELETE FROM carried_entry/, 1),
    shows: /truck keeps an entry .* which everybody has signed for/,
  },
  {
    title: 'never frees a copy',
    tamper: forgetting(/^DELETE FROM content WHERE/, 1),
    shows: /truck keeps [^ ]+ as .* which everybody has signed for/,
    plan: carrying,
  },
  {
    title: 'forgets what it wants',
    tamper: forgetting(/INTO want\b/, 2),
    shows: /not the same|cannot read|shows other bytes|promised/,
  },
  {
    title: 'never tries again what failed once',
    tamper: (platform) => ({
      ...platform,
      timers: { schedule: (delayMs, callback) => platform.timers.schedule(delayMs > 400 ? Number.MAX_SAFE_INTEGER : delayMs, callback) },
    }),
    shows: /not the same|could not join|did not happen/,
  },
  {
    title: 'wakes up and talks when there is nothing to say',
    tamper: (platform) => {
      const { timers, links } = platform;
      const beat = (): void => {
        links.transmit('udp://base:7077', Uint8Array.of(0));
        timers.schedule(120_000, beat);
      };
      timers.schedule(120_000, beat);
      return platform;
    },
    shows: /with nothing to say/,
  },
  {
    title: 'says things inside a transaction',
    tamper: (platform) => {
      let last: { readonly path: string; readonly bytes: Uint8Array } | undefined;
      const { links } = platform;
      const observed: Platform = {
        ...platform,
        links: {
          start: (sink) => links.start(sink),
          listen: (address) => links.listen(address),
          dial: (address) => links.dial(address),
          closePath: (path) => links.closePath(path),
          close: () => links.close(),
          transmit: (path, bytes) => {
            last = { path, bytes };
            links.transmit(path, bytes);
          },
        },
      };
      return withCatalog(observed, (catalog) => ({
        transaction: (work) =>
          catalog.transaction(() => {
            const result = work();
            if (last !== undefined) links.transmit(last.path, last.bytes);
            return result;
          }),
      }));
    },
    shows: /says something before it is durable/,
  },
];
