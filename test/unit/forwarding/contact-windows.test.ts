import { beforeEach, describe, expect, it } from 'vitest';
import { identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { WallMs } from '../../../src/core/time.ts';
import { type ContactWindow, ContactWindows, isContactWindow } from '../../../src/forwarding/contact-windows.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const peer = identifier<NodeId>(new Uint8Array(32).fill(1));
const at = (text: string | number) => (typeof text === 'number' ? text : Date.parse(text)) as WallMs;
const minute = 60_000;

let catalog: ReturnType<typeof openSqliteCatalog>;
let windows: ContactWindows;
beforeEach(() => {
  catalog = openSqliteCatalog(':memory:');
  windows = new ContactWindows(catalog);
});

/** Contacts of a length, one after a pause after the other; gives the end of the last. */
function meet(count: number, lengthMs: number, pauseMs: number, vary = 0): number {
  let now = 0;
  for (let index = 0; index < count; index++) {
    windows.began(peer, at(now));
    now += lengthMs + (index % 3) * vary;
    windows.ended(peer, at(now));
    if (index < count - 1) now += pauseMs;
  }
  return now;
}

describe('declared windows', () => {
  it('say when a peer is worth trying, also after a restart, and until they are taken back', () => {
    const pass: ContactWindow = { fromMs: 1000, toMs: 2000 };
    windows.declare(peer, [pass, { at: '0 6 * * *', durationMs: 60 * minute }]);
    windows = new ContactWindows(catalog);
    expect(windows.declared(peer)).toEqual([pass, { at: '0 6 * * *', durationMs: 60 * minute }]);
    expect(windows.tryAt(peer, at(1500))).toBe(1500);
    expect(windows.tryAt(peer, at(0))).toBe(1000);
    expect(windows.tryAt(peer, at(2000))).toBe(6 * 60 * minute);
    expect(windows.tryAt(peer, at('2026-06-01T06:59:59Z'))).toBe(at('2026-06-01T06:59:59Z'));
    expect(windows.tryAt(peer, at('2026-06-01T07:00Z'))).toBe(at('2026-06-02T06:00Z'));
    windows.declare(peer, [pass]);
    expect(windows.tryAt(peer, at(5000))).toBeUndefined();
    windows.declare(peer, []);
    expect(windows.tryAt(peer, at(5000))).toBe(5000);
  });

  it('end the contact when the one that lasts longest closes, with certainty', () => {
    windows.declare(peer, [
      { fromMs: 0, toMs: 1000 },
      { fromMs: 500, toMs: 5000 },
    ]);
    expect(windows.endOfContact(peer, at(600))).toEqual({ atMs: 5000, confidence: 1, reason: 'declared' });
    expect(windows.nextContact(peer, at(600))).toEqual({ atMs: 600, confidence: 1, reason: 'declared' });
    expect(windows.endOfContact(peer, at(5000))).toBeUndefined();
  });

  it('may last over midnight', () => {
    windows.declare(peer, [{ at: '30 23 * * 5', durationMs: 120 * minute }]);
    expect(windows.endOfContact(peer, at('2026-06-06T00:30Z'))?.atMs).toBe(at('2026-06-06T01:30Z'));
    expect(windows.nextContact(peer, at('2026-06-06T01:30Z'))?.atMs).toBe(at('2026-06-12T23:30Z'));
  });

  it('are planned by, one after the other and without overlap, once the end of the present contact is known', () => {
    expect(windows.planned(peer, at(0))).toBeUndefined();
    windows.declare(peer, [
      { fromMs: 0, toMs: 1000 },
      { fromMs: 500, toMs: 5000 },
      { fromMs: 4000, toMs: 9000 },
    ]);
    expect(windows.planned(peer, at(600))).toEqual([
      { fromMs: 600, toMs: 5000 },
      { fromMs: 5000, toMs: 9000 },
    ]);
    windows.declare(peer, [{ at: '* * * * *', durationMs: 1000 }]);
    expect(windows.planned(peer, at(0))).toHaveLength(8);
  });

  it('are refused when they could never open or are too long', () => {
    expect(
      [
        { fromMs: 0, toMs: 1 },
        { at: '* * * * *', durationMs: 1 },
      ].every(isContactWindow),
    ).toBe(true);
    const bad: ContactWindow[] = [
      { fromMs: 1, toMs: 1 },
      { fromMs: 0.5, toMs: 1 },
      { fromMs: 0, toMs: 8 * 86_400_000 },
      { at: '* * * *', durationMs: 1 },
      { at: '* * * * *', durationMs: 0 },
    ];
    expect(bad.filter(isContactWindow)).toEqual([]);
  });
});

describe('learned windows', () => {
  it('forecast the end of a contact and the beginning of the next from those before', () => {
    const end = meet(12, 5 * minute, 20 * minute);
    expect(windows.nextContact(peer, at(end))).toMatchObject({ atMs: end + 20 * minute, reason: 'learned' });
    expect(windows.nextContact(peer, at(end))!.confidence).toBeGreaterThan(0.7);
    windows.began(peer, at(end + 20 * minute));
    expect(windows.endOfContact(peer, at(end + 21 * minute))).toMatchObject({ atMs: end + 25 * minute, reason: 'learned' });
    // Longer than any before: nothing is known.
    expect(windows.endOfContact(peer, at(end + 26 * minute))).toBeUndefined();
  });

  it('rely less on contacts that are all different, and say nothing after two', () => {
    meet(12, minute, 20 * minute, 10 * minute);
    windows.began(peer, at(1e9));
    const forecast = windows.endOfContact(peer, at(1e9))!;
    expect(forecast.confidence).toBeLessThan(0.3);
    windows = new ContactWindows(openSqliteCatalog(':memory:'));
    const end = meet(2, minute, minute);
    expect(windows.nextContact(peer, at(end))).toBeUndefined();
    windows.began(peer, at(end));
    expect(windows.endOfContact(peer, at(end))).toBeUndefined();
  });

  it('expect a contact that did not come a period later, with less confidence', () => {
    const end = meet(12, 5 * minute, 20 * minute);
    const sure = windows.nextContact(peer, at(end))!.confidence;
    const later = windows.nextContact(peer, at(end + 30 * minute))!;
    expect(later.atMs).toBe(end + 45 * minute);
    expect(later.confidence).toBeCloseTo(sure / 2);
  });

  it('remember the latest contacts only, and none during which the clock was set back', () => {
    meet(100, minute, minute);
    windows.began(peer, at(1e9));
    windows.ended(peer, at(5));
    expect(catalog.get('SELECT count(*) AS n, min(from_ms) AS first FROM past_contact')).toEqual({ n: 64, first: 36 * 2 * minute });
    windows.ended(peer, at(2e9));
    expect(catalog.get('SELECT count(*) AS n FROM past_contact')).toEqual({ n: 64 });
  });
});
