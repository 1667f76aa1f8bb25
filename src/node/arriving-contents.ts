import { toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { ContentReceiver } from './content-receiver.ts';
import type { ObjectAssembly } from './object-assembly.ts';

/** How what comes from some peers is seen by the sender to another, who passes it on. */

/** What is here of contents that are still arriving, from other peers than the one who asks. */
export interface ArrivingContents {
  /** Whether a chunk is here, verified. */
  has(hash: Hash): boolean;
  /** The objects of a content that are coming in by this plan (hexadecimal) now. */
  objects(root: Hash, planId: string): ReadonlyMap<number, ObjectAssembly> | undefined;
  /** When something of the content came last; `undefined` when nobody is expected to send it. */
  heardAt(root: Hash): MonotonicMs | undefined;
}

/** What is arriving through these receivers, of contents whose chunks are stored here. */
export function arrivingFrom(contents: ContentStore, receivers: () => readonly ContentReceiver[]): ArrivingContents {
  return {
    has: (hash) => contents.has(hash),
    objects: (root, planId) => {
      const key = toHex(root);
      const objects = receivers().flatMap((receiver) => receiver.objects(key, planId) ?? []);
      // They may come from two peers at once.
      return objects.length < 2 ? objects[0] : new Map(objects.flatMap((each) => [...each]));
    },
    heardAt: (root) => {
      const key = toHex(root);
      const heard = receivers().flatMap((receiver) => receiver.heardAt(key) ?? []);
      return heard.length === 0 ? undefined : (Math.max(...heard.map(({ at }) => at ?? -Infinity)) as MonotonicMs);
    },
  };
}
