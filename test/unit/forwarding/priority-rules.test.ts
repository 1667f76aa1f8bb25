import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import {
  classByRules,
  type PriorityRule,
  PriorityRuleBook,
  type RuleSubject,
  rulesFromCbor,
  rulesShape,
  rulesToCbor,
} from '../../../src/forwarding/priority-rules.ts';
import { matchesGlob } from '../../../src/node/path-glob.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [ada, ben] = [1, 2].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId];
const subject: RuleSubject = { path: 'met/today.csv', author: ada, kind: 'files', sizeBytes: 1000, writtenMs: 5000 };
const classOf = (rules: readonly PriorityRule[], nowMs = 6000) => classByRules(rules, subject, nowMs, matchesGlob);

describe('rules', () => {
  it('give the class of the first that matches in every condition', () => {
    expect(classOf([])).toBeUndefined();
    expect(classOf([{ priority: 'bulk', glob: 'film/**' }, { priority: 'critical', glob: 'met/*' }, { priority: 'normal' }])).toBe(
      'critical',
    );
    expect(classOf([{ priority: 'critical', glob: 'met/*', author: ben }])).toBeUndefined();
    expect(classOf([{ priority: 'critical', author: ada, kind: 'files' }])).toBe('critical');
    expect(classOf([{ priority: 'critical', kind: 'series' }])).toBeUndefined();
  });

  it('go by size and by age, both ends included', () => {
    expect(classOf([{ priority: 'bulk', sizeBytesMin: 1000, sizeBytesMax: 1000 }])).toBe('bulk');
    expect(classOf([{ priority: 'bulk', sizeBytesMin: 1001 }])).toBeUndefined();
    expect(classOf([{ priority: 'bulk', ageMsMin: 1000 }], 6000)).toBe('bulk');
    expect(classOf([{ priority: 'bulk', ageMsMin: 1000 }], 5999)).toBeUndefined();
    expect(classOf([{ priority: 'critical', ageMsMax: 0 }], 10)).toBe('critical');
  });

  it('travel unchanged, and are refused with anything else in them', () => {
    const rules: PriorityRule[] = [
      { priority: 'bulk' },
      { priority: 'critical', glob: '**/*.csv', author: ben, kind: 'series', sizeBytesMin: 1, sizeBytesMax: 9, ageMsMin: 2, ageMsMax: 3 },
    ];
    const decoded = decodeCbor(encodeCbor(rulesToCbor(rules)));
    const shaped = v.safeParse(rulesShape, decoded.ok ? decoded.value : undefined);
    expect(shaped.success && rulesFromCbor(shaped.output)).toEqual(rules);
    const [row] = rulesToCbor(rules) as unknown[][];
    for (const bad of [[...row!, 1], row!.slice(1), ['urgent', ...row!.slice(1)], ['bulk', '', ...row!.slice(2)]])
      expect(v.is(rulesShape, [bad])).toBe(false);
    expect(v.is(rulesShape, Array(257).fill(row))).toBe(false);
  });

  it('are the latest ones by their authors clocks, in whatever order they arrive', () => {
    const dataset = identifier<DatasetId>(new Uint8Array(32).fill(9));
    const brought: [NodeId, number, PriorityRule[]][] = [
      [ada, 5, [{ priority: 'bulk' }]],
      [ben, 7, [{ priority: 'critical' }]],
      [ada, 7, [{ priority: 'normal' }]],
      [ada, 6, []],
    ];
    for (const order of [brought, brought.toReversed()]) {
      const catalog = openSqliteCatalog(':memory:');
      const book = new PriorityRuleBook(catalog);
      expect(book.of(dataset)).toEqual([]);
      for (const [author, wallMs, rules] of order) book.apply(dataset, author, { wallMs, counter: 0 }, rules);
      expect(new PriorityRuleBook(catalog).of(dataset)).toEqual([{ priority: 'critical' }]);
    }
  });
});
