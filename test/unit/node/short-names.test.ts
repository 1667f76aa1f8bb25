import { expect, it } from 'vitest';
import { type DatasetId, type NodeId, shortName } from '../../../src/core/identifiers.ts';
import type { Membership } from '../../../src/node/membership.ts';
import { ShortNames } from '../../../src/node/short-names.ts';

const hex = (start: string): string => start.padEnd(64, '0');
const [ridge, coast, twin] = [hex('aa'), hex('bb'), `${hex('aa').slice(0, 16)}${'1'.repeat(48)}`] as NodeId[] as [NodeId, NodeId, NodeId];
const [team, rows] = [hex('cc'), hex('dd')] as DatasetId[] as [DatasetId, DatasetId];

/** The part of a team that names are looked up in. */
function teamOf(members: readonly NodeId[]): { names: ShortNames; members: NodeId[] } {
  const list = [...members];
  const membership = { logDataset: team, members: () => list.map((node) => ({ node })), datasets: () => [{ id: rows }] };
  return { names: new ShortNames(membership as unknown as Membership), members: list };
}

it('finds members, datasets and the log of the team by the beginning of their identifiers', () => {
  const { names } = teamOf([ridge, coast]);
  expect([ridge, coast].map((each) => names.node(shortName(each)))).toEqual([ridge, coast]);
  expect([team, rows].map((each) => names.dataset(shortName(each)))).toEqual([team, rows]);
  expect(names.node(shortName(team))).toBeUndefined();
});

it('takes a name that fits two members for neither', () => {
  const { names } = teamOf([ridge, coast, twin]);
  expect(names.node(shortName(ridge))).toBeUndefined();
  expect(names.node(shortName(coast))).toBe(coast);
});

it('knows new members once it is told that the team changed', () => {
  const { names, members } = teamOf([ridge]);
  expect(names.node(shortName(coast))).toBeUndefined();
  members.push(coast);
  names.forget();
  expect(names.node(shortName(coast))).toBe(coast);
});
