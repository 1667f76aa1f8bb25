import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../../src/core/identifiers.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { WayTrials } from '../../../src/node/way-trials.ts';
import type { SessionId } from '../../../src/session/endpoint.ts';

const peer = 'ridge' as NodeId;
const session = 1 as SessionId;
const noBytes = { control: 0, retransmission: 0, handshake: 0 };

/** A session whose ways carry so many bytes a second each, and 0 where nobody is. */
function journey(
  rates: Readonly<Record<string, number>>,
  options: { readonly mayTry?: boolean; readonly helps?: string; readonly opens?: boolean; readonly sharedRate?: number } = {},
) {
  const moves: string[] = [];
  const pings: number[] = [];
  let at = 0;
  let bytes = 0;
  let heardAt = 0;
  let way = Object.keys(rates)[0] as string;
  const ways = [way];
  const now = (): Moment => ({ monotonicMs: at as MonotonicMs, wallMs: at as WallMs });
  const dialled: string[] = [];
  const asked: string[] = [];
  const trials: WayTrials = new WayTrials({
    addresses: () => Object.keys(rates),
    links: {
      mayTry: () => options.mayTry ?? true,
      isWaiting: () => options.helps !== undefined,
      isReserved: () => false,
      helps: (_peer, address) => address === options.helps,
    },
    dial: (address) => {
      dialled.push(address);
      asked.push(address);
    },
    endpoint: {
      migrate(_session, path, kind, _now, remembered) {
        way = path.replace('#1', '');
        ways.splice(0, 1, path);
        moves.push(`${at / 1000} s: ${kind} ${path}${remembered === undefined ? '' : ', known'}`);
      },
      ledger: () => ({ sent: { ...noBytes, data: 0 }, received: { ...noBytes, data: bytes } }),
      addPath: (_session, path) => {
        if (ways.includes(path)) return false;
        ways.push(path);
        moves.push(`${at / 1000} s: beside ${path}`);
        return true;
      },
      usePath: (_session, path, least) => {
        moves.push(`${at / 1000} s: ${path} for ${least ?? 'nothing'}`);
      },
      dropPath: (_session, path) => void ways.splice(ways.indexOf(path), 1),
      paths: () => ways,
      estimate: () => ({ lossRatio: 0, confidence: 1, smoothedRttMs: 100 }),
      heardAt: () => heardAt as MonotonicMs,
      ping: () => pings.push(at),
    },
  });
  trials.begin(session, peer, way, now().monotonicMs);
  return {
    trials,
    moves,
    asked,
    pings,
    ways,
    rates: { ...rates } as Record<string, number>,
    now,
    /** Lets a transfer flow, or nothing, for so many seconds. */
    run(seconds: number, flows = true) {
      for (let step = 0; step < seconds * 10; step++) {
        at += 100;
        const rate = Math.min(
          options.sharedRate ?? Infinity,
          ways.reduce((sum, each) => sum + (this.rates[each.replace('#1', '')] ?? 0), 0),
        );
        if (rate > 0) heardAt = at;
        if (flows) bytes += rate / 10;
        for (const address of dialled.splice(0)) {
          if (options.opens === false) trials.handleDialFailed(address, now().monotonicMs);
          else trials.handleDialled(address, `${address}#1`, now());
        }
        trials.wake(now());
      }
    },
  };
}

describe('a transfer with two ways', () => {
  test('tries the other after eight seconds and stays where more arrives', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 20_000 });
    each.run(100);
    expect(each.moves).toEqual(['8 s: datagram udp://a:2']);
  });

  test('goes back to where more arrived, with what was known of it, and tries no more for ten minutes', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 11_000 });
    each.run(590);
    expect(each.moves).toEqual(['8 s: datagram udp://a:2', '16 s: datagram udp://a:1, known']);
    each.run(60);
    expect(each.moves.length).toBe(4);
  });

  test('goes back over a stream that is dialled anew', () => {
    const each = journey({ 'tcp://a:1': 10_000, 'udp://a:2': 5_000 });
    each.run(60);
    expect(each.moves.map((move) => move.replace(/^.*: /, ''))).toEqual(['datagram udp://a:2', 'stream tcp://a:1#1, known']);
  });

  test('leaves a way on which nothing is heard within two seconds', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 0 });
    each.run(60);
    expect(each.moves).toEqual(['8 s: datagram udp://a:2', '10 s: datagram udp://a:1, known']);
  });

  test('stays where it is when a stream cannot be opened', () => {
    const each = journey({ 'udp://a:1': 10_000, 'tcp://a:2': 90_000 }, { opens: false });
    each.run(60);
    expect(each.moves).toEqual([]);
    expect(each.trials.handleDialFailed('tcp://a:2', each.now().monotonicMs)).toBe(false);
    expect(each.trials.handleDialled('tcp://a:2', 'tcp://a:2#1', each.now())).toBe(false);
  });

  test('goes to the way that was the lesser before when its own collapses', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 5_000 });
    each.run(60);
    each.rates['udp://a:1'] = 500;
    each.run(60);
    expect(each.moves.map((move) => move.replace(/^.*: /, ''))).toEqual([
      'datagram udp://a:2',
      'datagram udp://a:1, known',
      'datagram udp://a:2',
    ]);
  });

  test('takes a way beside its own as soon as that would carry what waits, once in half a minute where nobody is', () => {
    const each = journey({ 'udp://a:1': 0, 'udp://a:2': 0, 'udp://b:1': 0, 'tcp://c:1': 0 }, { helps: 'tcp://c:1', opens: false });
    each.run(70);
    expect([each.moves, each.asked]).toEqual([[], ['tcp://c:1', 'tcp://c:1', 'tcp://c:1']]);
    const other = journey({ 'udp://a:1': 0, 'udp://b:1': 0, 'udp://c:1': 0 }, { helps: 'udp://c:1' });
    other.run(20);
    expect(other.moves.map((move) => move.replace(/^.*: /, ''))).toEqual(['beside udp://c:1']);
  });

  test('tries nothing where bytes are counted that are not counted now, when its way is fast, or when there is no other', () => {
    for (const each of [
      journey({ 'udp://a:1': 10_000, 'udp://a:2': 20_000 }, { mayTry: false }),
      journey({ 'udp://a:1': 20_000_000, 'udp://a:2': 90_000_000 }),
      journey({ 'udp://a:1': 10_000 }),
    ]) {
      each.run(100);
      expect(each.moves).toEqual([]);
    }
  });

  test('that ends in a trial leaves the session where it is', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 5_000 });
    each.run(9);
    each.run(60, false);
    expect(each.moves).toEqual(['8 s: datagram udp://a:2']);
    expect(each.trials.nextDeadline()).toBeUndefined();
  });

  test('that stops is asked about once, and nothing is looked at while nothing flows', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://a:2': 5_000 });
    expect(each.trials.nextDeadline()).toBeUndefined();
    each.run(4);
    expect(each.trials.nextDeadline()).toMatchObject({ reason: 'compare ways' });
    each.run(60, false);
    expect(each.pings).toEqual([5000]);
    expect(each.trials.nextDeadline()).toBeUndefined();
    each.run(1);
    each.run(60, false);
    expect(each.pings.length).toBe(1);
  });
});

describe('a transfer with two links', () => {
  test('takes both when they carry more together, and tries nothing else', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://b:1': 5_000, 'tcp://a:1': 9_000 });
    each.run(300);
    expect(each.moves).toEqual(['8 s: beside udp://b:1']);
  });

  test('opens a stream for the second', () => {
    const each = journey({ 'udp://a:1': 10_000, 'tcp://b:1': 5_000 });
    each.run(60);
    expect(each.moves).toEqual(['8.1 s: beside tcp://b:1#1']);
  });

  test('leaves the second alone when both are one link behind two addresses, and tries it again after ten minutes', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://b:1': 10_000 }, { sharedRate: 10_000 });
    each.run(590);
    expect(each.moves).toEqual(['8 s: beside udp://b:1', '16 s: udp://b:1 for nothing']);
    each.run(60);
    expect(each.moves.at(-2)).toMatch(/udp:\/\/b:1 for bulk/);
  });

  test('closes a stream that is left alone', () => {
    const each = journey({ 'udp://a:1': 10_000, 'tcp://b:1': 10_000 }, { sharedRate: 10_000 });
    each.run(60);
    expect(each.ways).toEqual(['udp://a:1']);
  });

  test('stays with the one that is left when the other is gone', () => {
    const each = journey({ 'udp://a:1': 10_000, 'udp://b:1': 5_000 });
    each.run(30);
    each.ways.splice(0, 1);
    each.run(20);
    expect(each.moves).toEqual(['8 s: beside udp://b:1']);
    each.run(600);
    // The first is looked at again when what was found of it is old.
    expect(each.moves.at(-1)).toMatch(/beside udp:\/\/a:1/);
  });

  test('goes on over the second within three seconds when nobody answers on the first any more', () => {
    const each = journey({ 'udp://a:1': 10_000, 'tcp://a:1': 9_000, 'udp://b:1': 5_000 });
    each.run(5);
    each.rates['udp://a:1'] = 0;
    each.run(3);
    expect(each.moves).toEqual(['6.7 s: beside udp://b:1']);
    each.run(60);
    expect(each.moves.length).toBe(1);
  });

  test('stays as it is when the stream cannot be opened', () => {
    const each = journey({ 'udp://a:1': 10_000, 'tcp://b:1': 5_000 }, { opens: false });
    each.run(60);
    expect(each.moves).toEqual([]);
  });
});

describe('a peer that is not heard', () => {
  test('is looked for at one address after another, ever more slowly, until it is heard', () => {
    const each = journey({ 'udp://a:1': 0, 'udp://b:1': 0, 'tcp://c:1': 0 });
    each.trials.suspended(session, each.now());
    each.trials.suspended(session, each.now());
    each.run(9);
    expect(each.moves.map((move) => move.replace(/^.*: /, ''))).toEqual(['datagram udp://b:1', 'stream tcp://c:1#1', 'datagram udp://a:1']);
    expect(each.trials.nextDeadline()).toMatchObject({ reason: 'look for a peer at another address' });
    each.run(3600);
    const often = each.moves.length;
    expect(often).toBeLessThan(75);
    each.trials.resumed(session);
    each.run(3600, false);
    expect(each.moves.length).toBe(often);
    each.trials.end(session);
    each.trials.suspended(session, each.now());
    each.trials.resumed(session);
    expect(each.moves.length).toBe(often);
  });
});

test('a look that is due is taken, whatever the last digits of the clock are', () => {
  // The sum of this instant and a second is 2417 when it is rounded, and 2417 less it is less than a second.
  const oddMs = 1417.0000000000002;
  let bytes = 0;
  const trials = new WayTrials({
    addresses: () => ['udp://a:1', 'udp://b:1'],
    links: { mayTry: () => true, isWaiting: () => false, isReserved: () => false, helps: () => false },
    dial: () => undefined,
    endpoint: {
      migrate: () => undefined,
      addPath: () => false,
      usePath: () => undefined,
      dropPath: () => undefined,
      paths: () => ['udp://a:1'],
      ledger: () => ({ sent: { ...noBytes, data: 0 }, received: { ...noBytes, data: bytes } }),
      estimate: () => ({ lossRatio: 0, confidence: 1 }),
      heardAt: () => undefined,
      ping: () => undefined,
    },
  });
  const at = (ms: number): Moment => ({ monotonicMs: ms as MonotonicMs, wallMs: ms as WallMs });
  trials.begin(session, peer, 'udp://a:1', at(0).monotonicMs);
  bytes = 1000;
  trials.wake(at(oddMs));
  const due = trials.nextDeadline()?.at ?? 0;
  expect(due - oddMs).toBeLessThan(1000);
  trials.wake(at(due));
  expect(trials.nextDeadline()?.at ?? due + 1).toBeGreaterThan(due);
});

test('an answer that is overdue is missed at once, whatever the last digits of the clock are', () => {
  // The sum of this instant and 0.7 s, less it, is less than 0.7 s.
  const oddMs = 3396.5333333333333;
  let bytes = 0;
  const added: string[] = [];
  const trials = new WayTrials({
    addresses: () => ['udp://a:1', 'udp://b:1'],
    links: { mayTry: () => true, isWaiting: () => false, isReserved: () => false, helps: () => false },
    dial: () => undefined,
    endpoint: {
      migrate: () => undefined,
      addPath: (_session, path) => added.push(path) > 0,
      usePath: () => undefined,
      dropPath: () => undefined,
      paths: () => ['udp://a:1'],
      ledger: () => ({ sent: { ...noBytes, data: 0 }, received: { ...noBytes, data: bytes } }),
      estimate: () => ({ lossRatio: 0, confidence: 1, smoothedRttMs: 100 }),
      heardAt: () => undefined,
      ping: () => undefined,
    },
  });
  const at = (ms: number): Moment => ({ monotonicMs: ms as MonotonicMs, wallMs: ms as WallMs });
  trials.begin(session, peer, 'udp://a:1', at(oddMs - 4000).monotonicMs);
  for (let looks = 3; looks >= 1; looks--) {
    bytes += 1000;
    trials.wake(at(oddMs - 1000 * looks));
  }
  trials.wake(at(oddMs));
  const due = trials.nextDeadline()?.at ?? 0;
  expect([due - oddMs < 700, added]).toEqual([true, []]);
  trials.wake(at(due));
  expect(added).toEqual(['udp://b:1']);
});
