import { describe, expect, it } from 'vitest';
import type { Hash } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import type { BaseSearch } from '../../../src/datasets/base-search.ts';
import type { ArrivingContents } from '../../../src/node/arriving-contents.ts';
import { ContentSender } from '../../../src/node/content-sender.ts';
import type { PreparedTransfer } from '../../../src/node/content-tasks.ts';
import { ObjectAssembly } from '../../../src/node/object-assembly.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { objectsPerWantMax, type Want } from '../../../src/session/messages.ts';

const now = 0 as MonotonicMs;

const megabyte = 1024 * 1024;

function wantOf(number: number, priority: PriorityClass = 'bulk', more: Partial<Want> = {}): Want {
  return { number, root: new Uint8Array(32).fill(number % 251) as Hash, sizeBytes: 1000, depth: 1, priority, bases: [], ...more };
}

function transferOf(groupBytes: readonly number[]): PreparedTransfer {
  const groups = groupBytes.map((targetBytes, index) => ({ firstFresh: index, freshCount: 1, baseRuns: [], targetBytes }));
  return {
    planObject: new Uint8Array(10).fill(1),
    planId: new Uint8Array(16).fill(2),
    groups,
    copiedBytes: 5,
  } as unknown as PreparedTransfer;
}

/** Takes everything the sender gives, encoding each group as 100 bytes of its number. */
function drain(sender: ContentSender, bytesMax = 64): string[] {
  const taken: string[] = [];
  for (;;) {
    for (let task = sender.pollTask(); task !== undefined; task = sender.pollTask()) {
      if (task.type === 'encode') sender.encoded(task.number, task.group, { kind: 'encoded', bytes: new Uint8Array(100).fill(task.group) });
    }
    const data = sender.take(bytesMax, now);
    if (data === undefined) return taken;
    taken.push(
      `${Math.floor(data.transfer / objectsPerWantMax)}.${data.transfer % objectsPerWantMax} ${data.offset}+${data.bytes.length}${data.last ? ' last' : ''}`,
    );
  }
}

function begin(sender: ContentSender, want: Want, groupBytes: readonly number[]): void {
  sender.handleWant(want);
  expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
  sender.prepared(want, transferOf(groupBytes));
}

describe('a sender of contents', () => {
  it('sends the plan, then group after group, each to its last byte', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(sender, wantOf(1), [10, 10]);
    expect(drain(sender)).toEqual(['1.0 0+10 last', '1.1 0+64', '1.1 64+36 last', '1.2 0+64', '1.2 64+36 last']);
    expect(sender.readyPriority(now)).toBeUndefined();
    expect(sender.savedBytes).toEqual({ resume: 0, delta: 5 });
  });

  it('has groups encoded in the same rooms again, once the peer has what stood there', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(sender, wantOf(1), new Array(20).fill(megabyte));
    sender.take(64, now);
    const rooms = new Set<unknown>();
    let groups = 0;
    for (let task = sender.pollTask(); task !== undefined; task = sender.pollTask()) {
      if (task.type !== 'encode') continue;
      groups++;
      expect(task.room).toHaveLength(megabyte + 1);
      rooms.add(task.room.buffer);
      // Every third one becomes shorter, and stands elsewhere.
      const bytes = task.group % 3 === 0 ? new Uint8Array(500) : task.room;
      sender.encoded(task.number, task.group, { kind: 'encoded', bytes }, task.room);
      for (let data = sender.take(megabyte, now); data !== undefined; data = sender.take(megabyte, now)) data.released?.();
      sender.handleProgress(1, groups * megabyte);
    }
    expect(groups).toBe(20);
    expect(rooms.size).toBeLessThan(12);
  });

  it('lets a more urgent want pass between two portions', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(sender, wantOf(1, 'bulk'), []);
    expect(sender.take(4, now)).toMatchObject({ priority: 'bulk', offset: 0 });
    begin(sender, wantOf(2, 'critical'), []);
    expect(sender.readyPriority(now)).toBe('critical');
    expect(sender.take(100, now)).toMatchObject({ priority: 'critical', last: true });
    expect(sender.take(100, now)).toMatchObject({ priority: 'bulk', offset: 4 });
  });

  it('leaves out what the peer holds by the same plan, and goes on in a group whose beginning is the same', () => {
    const sender = new ContentSender(nodeCrypto);
    const prefixHash = nodeCrypto.sha256(new Uint8Array(30).fill(2)).slice(0, 8);
    const resume = { planId: new Uint8Array(16).fill(2), held: [{ first: 0, count: 2 }], partials: [{ group: 2, offset: 30, prefixHash }] };
    begin(sender, wantOf(1, 'bulk', { resume }), [1000, 1000, 10]);
    expect(drain(sender, 1000)).toEqual(['1.3 30+70 last']);
    expect(sender.savedBytes).toEqual({ resume: 2030, delta: 5 });
  });

  it('starts over when the beginning is another, when it is longer than the group, and when the plan is another', () => {
    const planId = new Uint8Array(16).fill(2);
    const wrong = { planId, held: [], partials: [{ group: 0, offset: 30, prefixHash: new Uint8Array(8) }] };
    const long = { planId, held: [], partials: [{ group: 0, offset: 100, prefixHash: new Uint8Array(8) }] };
    const other = { planId: new Uint8Array(16).fill(3), held: [{ first: 0, count: 1 }] };
    for (const [resume, first] of [
      [wrong, []],
      [long, []],
      [other, ['1.0 0+10 last']],
    ] as const) {
      const sender = new ContentSender(nodeCrypto);
      begin(sender, wantOf(1, 'bulk', { resume }), [10]);
      expect(drain(sender, 1000)).toEqual([...first, '1.1 0+100 last']);
    }
  });

  it('sends the last group first to whom the others come from somebody else, and nothing by another plan', () => {
    const sender = new ContentSender(nodeCrypto);
    const resume = { planId: new Uint8Array(16).fill(2), held: [{ first: 0, count: 1 }] };
    begin(sender, wantOf(1, 'bulk', { resume, fromEnd: true }), [1000, 1000, 1000]);
    expect(drain(sender, 1000)).toEqual(['1.3 0+100 last', '1.2 0+100 last']);
    const other = { ...resume, planId: new Uint8Array(16).fill(3) };
    begin(sender, wantOf(2, 'bulk', { resume: other, fromEnd: true }), [1000, 1000, 1000]);
    expect(sender.takeLacks()).toEqual([2]);
    expect(drain(sender, 1000)).toEqual([]);
  });

  it('outlives a thousand runs of held groups that are each as long as a large content', () => {
    const sender = new ContentSender(nodeCrypto);
    const groups = 20_000;
    const held = Array.from({ length: 1024 }, (_, run) => ({ first: run * groups + 1, count: groups }));
    const resume = { planId: new Uint8Array(16).fill(2), held };
    begin(sender, wantOf(1, 'bulk', { resume }), new Array<number>(groups).fill(1));
    expect(sender.savedBytes.resume).toBe(groups - 1);
    expect(drain(sender, 1000)).toEqual(['1.1 0+100 last']);
  });

  it('takes held groups that do not exist for what they are, however many are claimed', () => {
    const sender = new ContentSender(nodeCrypto);
    const held = [
      { first: 5, count: Number.MAX_SAFE_INTEGER },
      { first: 2 ** 40, count: 2 ** 40 },
    ];
    begin(sender, wantOf(1, 'bulk', { resume: { planId: new Uint8Array(16).fill(2), held } }), [10]);
    expect(drain(sender, 1000)).toEqual(['1.1 0+100 last']);
  });

  it('stops when the receiver’s disk is behind, until it says that it has stored', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(
      sender,
      wantOf(1),
      Array.from({ length: 12 }, () => 8 * megabyte),
    );
    const first = drain(sender, 1000);
    expect(first).toHaveLength(9);
    sender.handleProgress(1, 16 * megabyte);
    expect(drain(sender, 1000)).toEqual(['1.9 0+100 last', '1.10 0+100 last']);
    sender.handleProgress(1, 8 * megabyte);
    sender.handleProgress(99, 8 * megabyte);
    expect(drain(sender, 1000)).toEqual([]);
  });

  it('says that it lacks what is not here, and sends it when it has come', () => {
    const sender = new ContentSender(nodeCrypto);
    const want = wantOf(1);
    sender.handleWant(want);
    sender.pollTask();
    sender.prepared(want, undefined);
    expect(sender.takeLacks()).toEqual([1]);
    expect(sender.takeLacks()).toEqual([]);
    sender.handleContentComplete(new Uint8Array(32).fill(9));
    expect(sender.pollTask()).toBeUndefined();
    sender.handleContentComplete(want.root);
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    sender.prepared(want, transferOf([10]));
    expect(drain(sender, 1000)).toEqual(['1.0 0+10 last', '1.1 0+100 last']);
  });

  it('defers a content whose bytes turn out to be gone, and one of more groups than a want can number', () => {
    const sender = new ContentSender(nodeCrypto);
    const want = wantOf(1);
    begin(sender, want, [10, 10]);
    const task = sender.pollTask();
    expect(task).toMatchObject({ type: 'encode', group: 0 });
    sender.encoded(1, 0, undefined);
    sender.encoded(1, 1, { kind: 'encoded', bytes: new Uint8Array(5) });
    expect(sender.takeLacks()).toEqual([1]);
    expect(sender.take(100, now)).toBeUndefined();
    const huge = wantOf(2);
    sender.handleWant(huge);
    sender.prepared(huge, { ...transferOf([]), groups: { length: objectsPerWantMax } } as unknown as PreparedTransfer);
    expect(sender.takeLacks()).toEqual([2]);
  });

  it('plans once more what was mended while a group of it was encoded whose bytes were missing', () => {
    const sender = new ContentSender(nodeCrypto);
    const want = wantOf(1);
    begin(sender, want, [10]);
    expect(sender.pollTask()).toMatchObject({ type: 'encode', group: 0 });
    sender.handleContentComplete(want.root);
    sender.encoded(1, 0, undefined);
    expect(sender.takeLacks()).toEqual([1]);
    begin(sender, want, [10]);
    expect(drain(sender)).toEqual(['1.0 0+10 last', '1.1 0+64', '1.1 64+36 last']);
    expect(sender.pollTask()).toBeUndefined();
  });

  it('asks about a lost base before it sends a group, lets others go on meanwhile, and takes answers that it asked for alone', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(sender, wantOf(1), [10, 10]);
    const search = {} as BaseSearch;
    expect(sender.pollTask()).toMatchObject({ type: 'encode', group: 0 });
    sender.encoded(1, 0, { kind: 'query', query: Uint8Array.of(5), search });
    expect(sender.pollTask()).toMatchObject({ type: 'encode', group: 1 });
    expect(sender.takeQueries()).toEqual([{ number: 1, group: 0, query: Uint8Array.of(5) }]);
    expect(sender.takeQueries()).toEqual([]);
    sender.encoded(1, 1, { kind: 'encoded', bytes: new Uint8Array(100) });
    expect(drain(sender, 1000)).toEqual(['1.0 0+10 last', '1.2 0+100 last']);
    for (const [number, group] of [
      [1, 1],
      [1, 7],
      [9, 0],
    ] as const)
      sender.handleBaseBlocks(number, group, new Uint8Array(3));
    expect(sender.pollTask()).toBeUndefined();
    sender.handleBaseBlocks(1, 0, Uint8Array.of(6));
    sender.handleBaseBlocks(1, 0, Uint8Array.of(6));
    const task = sender.pollTask();
    expect(task).toMatchObject({ type: 'encode', group: 0, answer: { bytes: Uint8Array.of(6) } });
    expect(sender.pollTask()).toBeUndefined();
    sender.encoded(1, 0, { kind: 'encoded', bytes: new Uint8Array(50) });
    expect(drain(sender, 1000)).toEqual(['1.1 0+50 last']);
  });

  it('asks about no more groups at a time than the limit', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(
      sender,
      wantOf(1),
      Array.from({ length: 20 }, () => 10),
    );
    for (let task = sender.pollTask(); task !== undefined; task = sender.pollTask()) {
      if (task.type === 'encode') sender.encoded(1, task.group, { kind: 'query', query: Uint8Array.of(1), search: {} as BaseSearch });
    }
    expect(sender.takeQueries()).toHaveLength(limits.baseSearchesMax);
  });

  it('forgets what is withdrawn, whether under way, deferred or waiting', () => {
    const sender = new ContentSender(nodeCrypto);
    begin(sender, wantOf(1), [10]);
    sender.handleWant(wantOf(2));
    sender.prepared(wantOf(2), undefined);
    sender.handleWithdraw([1, 2, 77]);
    sender.prepared(wantOf(1), transferOf([10]));
    expect(sender.take(100, now)).toBeUndefined();
    while (sender.pollTask() !== undefined);
    sender.handleContentComplete(wantOf(2).root);
    expect(sender.pollTask()).toBeUndefined();
  });

  it('serves a limited number at once and the others afterwards; a want beyond all limits is lacked', () => {
    const sender = new ContentSender(nodeCrypto);
    const count = limits.wantsPerSessionMax + limits.deferredWantsPerSessionMax + 1;
    for (let number = 1; number <= count; number++) sender.handleWant(wantOf(number));
    sender.handleWant(wantOf(1));
    expect(sender.takeLacks()).toEqual([count]);
    let prepared = 0;
    for (let task = sender.pollTask(); task !== undefined; task = sender.pollTask()) prepared++;
    expect(prepared).toBe(limits.wantsPerSessionMax);
    sender.handleWithdraw([3, limits.wantsPerSessionMax + 1]);
    expect(sender.pollTask()).toMatchObject({ want: { number: limits.wantsPerSessionMax + 2 } });
    expect(sender.pollTask()).toBeUndefined();
  });
});

describe('a sender of contents that are still arriving', () => {
  const hashOf = (chunk: number): Hash => new Uint8Array(32).fill(chunk) as Hash;

  /** Two groups of one chunk each. What is here is what the test puts into `here` and `objects`. */
  function arriving(options: { hashed?: boolean; resume?: Want['resume'] } = {}) {
    const here = new Set<number>();
    const objects = new Map<number, ObjectAssembly>();
    let heardAt: number | undefined = 0;
    const contents: ArrivingContents = {
      has: (hash) => here.has(hash[0] ?? -1),
      objects: (_, planId) => (planId === 'aa' ? objects : undefined),
      heardAt: () => heardAt as MonotonicMs | undefined,
    };
    const sender = new ContentSender(nodeCrypto, undefined, contents);
    const want = wantOf(2, 'bulk', options.resume === undefined ? {} : { resume: options.resume });
    const { hashed = true } = options;
    const transfer = { ...transferOf([10, 10]), fresh: hashed ? [1, 2].map((chunk) => ({ hash: hashOf(chunk), lengthBytes: 10 })) : [] };
    sender.handleWant(want);
    sender.pollTask();
    sender.prepared(want, { ...transfer, arriving: { planId: 'aa', hashed } });
    const come = (object: number, from: number, to: number, last = false): ObjectAssembly => {
      const assembly = objects.get(object) ?? new ObjectAssembly();
      objects.set(object, assembly);
      assembly.add(
        from,
        Uint8Array.from({ length: to - from }, (_, index) => from + index),
        last,
      );
      return assembly;
    };
    return {
      sender,
      want,
      transfer,
      here,
      objects,
      come,
      silence: () => {
        heardAt = undefined;
      },
    };
  }

  it('passes bytes on as they come, but the end of a group only when it is verified', () => {
    const { sender, want, here, come, objects } = arriving();
    expect(drain(sender)).toEqual(['2.0 0+10 last']);
    const assembly = come(1, 0, 40);
    expect(drain(sender)).toEqual(['2.1 0+40']);
    come(1, 40, 50, true);
    objects.delete(1);
    expect(drain(sender)).toEqual(['2.1 40+9']);
    const encoded = assembly.beginning();
    sender.handleGroupStored({ transfer: { content: { root: want.root } }, group: 0, encoded: encoded.slice() });
    expect(drain(sender)).toEqual([]);
    sender.handleGroupStored({ transfer: { content: { root: want.root } }, group: 0, encoded: encoded });
    expect(drain(sender)).toEqual(['2.1 49+1 last']);
    // The other group came while nobody looked.
    here.add(2);
    sender.handleContentAdvanced(want.root);
    expect(drain(sender, 1000)).toEqual(['2.2 0+100 last']);
    expect(sender.lackDry(now)).toBeUndefined();
    expect(sender.takeLacks()).toEqual([]);
  });

  it('keeps the end of every group back until the whole is verified, where the plan names no chunks', () => {
    const { sender, want, transfer, come } = arriving({ hashed: false });
    const assembly = come(1, 0, 50, true);
    expect(drain(sender)).toEqual(['2.0 0+10 last', '2.1 0+49']);
    sender.handleGroupStored({ transfer: { content: { root: want.root } }, group: 0, encoded: assembly.beginning() });
    expect(drain(sender)).toEqual([]);
    sender.handleContentComplete(want.root);
    expect(sender.take(100, now)).toMatchObject({ offset: 49, last: true });
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    expect(sender.lackDry(now)).toBeUndefined();
    sender.prepared(want, transfer);
    expect(drain(sender, 1000)).toEqual(['2.2 0+100 last']);
    expect(sender.takeLacks()).toEqual([]);
  });

  it('says that it lacks what turned out wrong, what began anew, and what another peer brings otherwise', () => {
    const spoiled = arriving();
    spoiled.come(1, 0, 40);
    drain(spoiled.sender);
    spoiled.sender.handleContentSpoiled(spoiled.want.root);
    expect(spoiled.sender.takeLacks()).toEqual([2]);

    const anew = arriving();
    anew.objects.set(1, new ObjectAssembly(Uint8Array.of(9, 9, 9)));
    expect(drain(anew.sender)).toEqual(['2.0 0+10 last', '2.1 0+3']);
    anew.come(1, 0, 40);
    expect(drain(anew.sender)).toEqual([]);
    expect(anew.sender.takeLacks()).toEqual([2]);

    const other = arriving();
    other.come(1, 0, 40);
    drain(other.sender);
    other.objects.set(1, new ObjectAssembly(new Uint8Array(60).fill(7)));
    expect(drain(other.sender)).toEqual([]);
    expect(other.sender.takeLacks()).toEqual([2]);

    const same = arriving();
    same.come(1, 0, 40);
    drain(same.sender);
    same.objects.set(1, new ObjectAssembly(Uint8Array.from({ length: 45 }, (_, index) => index)));
    expect(drain(same.sender)).toEqual(['2.1 40+5']);
  });

  it('goes on in a group of which the peer has the beginning, once it has come that far', () => {
    const prefixHash = nodeCrypto.sha256(Uint8Array.from({ length: 30 }, (_, index) => index)).slice(0, 8);
    const resume = { planId: new Uint8Array(16).fill(2), held: [], partials: [{ group: 0, offset: 30, prefixHash }] };
    const { sender, come } = arriving({ resume });
    come(1, 0, 30);
    expect(drain(sender)).toEqual([]);
    come(1, 30, 40);
    expect(drain(sender)).toEqual(['2.1 30+10']);
  });

  it('says that it lacks the rest when nothing comes for ten seconds, or from nobody, and goes on when more has come', () => {
    const { sender, want, here, silence, transfer } = arriving();
    drain(sender);
    expect(sender.lackDry(now)).toBe(10_000);
    expect(sender.lackDry(9999 as MonotonicMs)).toBe(10_000);
    expect(sender.lackDry(10_000 as MonotonicMs)).toBeUndefined();
    expect(sender.takeLacks()).toEqual([2]);
    here.add(1);
    sender.handleContentAdvanced(want.root);
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    sender.prepared(want, { ...transfer, arriving: { planId: 'aa', hashed: true } });
    expect(drain(sender, 1000)).toEqual(['2.0 0+10 last', '2.1 0+100 last']);
    silence();
    expect(sender.lackDry(now)).toBeUndefined();
    expect(sender.takeLacks()).toEqual([2]);
  });

  it('begins anew what is complete and was begun by another plan, or came by another way', () => {
    const planned = arriving({ hashed: false });
    drain(planned.sender);
    planned.sender.handleContentComplete(planned.want.root);
    planned.sender.pollTask();
    const anew = { ...planned.transfer, planId: new Uint8Array(16).fill(3) };
    planned.sender.prepared(planned.want, anew);
    expect(planned.sender.takeLacks()).toEqual([2]);
    expect(planned.sender.pollTask()).toMatchObject({ type: 'prepare', want: planned.want });
    planned.sender.prepared(planned.want, anew);
    expect(drain(planned.sender, 1000)).toEqual(['2.0 0+10 last', '2.1 0+100 last', '2.2 0+100 last']);

    const imported = arriving();
    imported.come(1, 0, 40);
    drain(imported.sender);
    imported.sender.handleContentComplete(imported.want.root);
    expect(imported.sender.takeLacks()).toEqual([2]);
    expect(imported.sender.pollTask()).toMatchObject({ type: 'prepare' });
  });

  it('plans once more what became complete while it was planned', () => {
    const { sender, transfer } = arriving();
    const want = wantOf(4);
    sender.handleWant(want);
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    sender.handleContentComplete(want.root);
    sender.prepared(want, undefined);
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    sender.handleContentComplete(want.root);
    sender.prepared(want, { ...transfer, arriving: { planId: 'aa', hashed: true } });
    expect(sender.pollTask()).toMatchObject({ type: 'prepare', want });
    sender.prepared(want, transfer);
    expect(sender.takeLacks()).toEqual([]);
    expect(drain(sender, 1000).filter((each) => each.startsWith('4.'))).toEqual(['4.0 0+10 last', '4.1 0+100 last', '4.2 0+100 last']);
  });
});
