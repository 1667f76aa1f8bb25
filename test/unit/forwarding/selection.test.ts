import { describe, expect, it } from 'vitest';
import type { PriorityClass } from '../../../src/core/priority.ts';
import { type Candidate, inOrder, withPlaces } from '../../../src/forwarding/selection.ts';

interface Named extends Candidate {
  readonly name: string;
}

const item = (name: string, leftBytes: number, more: Partial<Named> = {}): Named => ({ name, leftBytes, priority: 'normal', ...more });
const names = (items: readonly Named[]) => items.map(({ name }) => name).join(' ');

describe('the order of what is moved in a contact', () => {
  it('lets the set that finishes go before one object that takes all of the contact', () => {
    // 40 s at 300 bytes a second: 12,000 bytes.
    const items = [item('film', 900_000), item('c', 5000), item('b', 4000), item('a', 2000), item('d', 9000)];
    expect(names(inOrder(items, { nowMs: 0, rateBytesPerSecond: 300, contacts: [{ fromMs: 0, toMs: 40_000 }] }))).toBe('a b c d film');
  });

  it('lets an object that is due early go before smaller ones, where all finish', () => {
    const items = [item('small', 100), item('due', 1000, { deadlineMs: 2000 })];
    expect(names(inOrder(items, { nowMs: 0, rateBytesPerSecond: 1000 }))).toBe('due small');
    expect(names(inOrder(items, { nowMs: 0 }))).toBe('due small');
  });

  it('does not spend the contact on an object that comes too late in any case', () => {
    const items = [item('late', 5000, { deadlineMs: 1000 }), item('b', 800), item('a', 700)];
    expect(names(inOrder(items, { nowMs: 0, rateBytesPerSecond: 1000, contacts: [{ fromMs: 0, toMs: 60_000 }] }))).toBe('a b late');
  });

  it('goes on with the object that has least left when none finishes', () => {
    const items = [item('film', 900_000), item('begun', 300_000), item('other', 500_000)];
    expect(names(inOrder(items, { nowMs: 0, rateBytesPerSecond: 300, contacts: [{ fromMs: 0, toMs: 40_000 }] }))).toBe('begun other film');
  });

  it('leaves out what has expired, and lets what will have expired before it arrives go behind everything', () => {
    const items = [
      item('gone', 10, { expiresMs: 5, priority: 'critical' }),
      item('vain', 5000, { expiresMs: 3000, priority: 'critical' }),
      item('a', 1000),
    ];
    expect(names(inOrder(items, { nowMs: 5, rateBytesPerSecond: 1000 }))).toBe('a vain');
  });

  it('counts on contacts that are known to come, and hopes for others', () => {
    const contacts = [
      { fromMs: 0, toMs: 1000 },
      { fromMs: 10_000, toMs: 13_000 },
    ];
    const due = (expiresMs: number) => [item('due', 3500, { expiresMs, priority: 'critical' }), item('a', 1000)];
    expect(names(inOrder(due(12_000), { nowMs: 0, rateBytesPerSecond: 1000, contacts }))).toBe('a due');
    expect(names(inOrder(due(12_600), { nowMs: 0, rateBytesPerSecond: 1000, contacts }))).toBe('due a');
    expect(names(inOrder(due(50_000), { nowMs: 0, rateBytesPerSecond: 100, contacts }))).toBe('due a');
  });

  it('keeps a place for every class that waits', () => {
    const of = (priority: PriorityClass, count: number) =>
      Array.from({ length: count }, (_, index) => item(`${priority}${index}`, 9, { priority }));
    const ordered = [...of('critical', 5), ...of('normal', 3), ...of('bulk', 3)];
    expect(names(withPlaces(ordered, 8))).toBe('critical0 critical1 critical2 critical3 critical4 normal0 normal1 bulk0');
    expect(names(withPlaces(ordered, 4))).toBe('critical0 critical1 critical2 critical3');
    expect(names(withPlaces(ordered, 2, Array(30).fill('critical')))).toBe('normal0 bulk0');
    expect(names(withPlaces(ordered, 1, [...Array(30).fill('critical'), 'bulk', 'normal']))).toBe('critical0');
    expect(names(withPlaces(ordered, 100))).toBe(names(ordered));
  });
});
