import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blameWords, codesBelow, collect } from './error-codes.ts';

const project = new URL('../../../', import.meta.url);
const reference = readFileSync(new URL('docs/errors.md', project), 'utf8');
const textByHeading = new Map(
  reference
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section.slice(section.indexOf('\n')).trim()] as const),
);
const headings = [...reference.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading as string);
const blamesByCode = codesBelow(new URL('src/', project));

describe('the error reference', () => {
  it('has a heading for every code in the source', () => {
    expect([...blamesByCode.keys()].filter((code) => !textByHeading.has(code)).sort()).toEqual([]);
  });

  it('has no heading for a code that the source does not have', () => {
    expect(headings.filter((heading) => !blamesByCode.has(heading))).toEqual([]);
  });

  it('lists each code once, in alphabetical order', () => {
    expect(headings).toEqual([...new Set(headings)].sort());
  });

  it.each(headings)('says of %s what happened, whose fault it is, what to do and what is repeated', (heading) => {
    const [happened = '', rest = ''] = (textByHeading.get(heading) ?? '').split('\n**Fault:** ');
    expect(happened).toMatch(/\.\)?$/);
    const [, fault = ''] = /^([a-z ,]+)\. \*\*Do:\*\* \S.*\. \*\*By itself:\*\* \S.*\.$/.exec(rest) ?? [];
    const blames = fault.split(/, or |, /);
    expect(blames.filter((blame) => !blameWords.has(blame))).toEqual([]);
    // Whatever the source says beside the code must be said here too.
    expect([...(blamesByCode.get(heading) ?? [])].filter((blame) => !blames.includes(blame))).toEqual([]);
  });
});

describe('the search for codes', () => {
  const codesIn = (source: string, isDefectTable = false) => {
    const found = new Map<string, Set<string>>();
    collect(source, isDefectTable, found);
    return Object.fromEntries([...found].map(([code, blames]) => [code, [...blames]]));
  };

  it('finds codes in calls of any helper, in conditions, and single words where only codes can stand', () => {
    expect(
      codesIn(`failure(bad ? 'DISK_BAD' : 'LINK_BAD', 'peer', 'why'); reject(path, 'NAME_BAD'); new GodwitError('ABORTED', 'why');`),
    ).toEqual({
      DISK_BAD: ['peer'],
      LINK_BAD: ['peer'],
      NAME_BAD: [],
      ABORTED: [],
    });
  });

  it('finds codes of properties and parameters, with the blame beside them', () => {
    expect(
      codesIn(`const fault = { code: 'DISK_BAD', blame: 'local' }; class C { constructor(code: 'LINK_BAD' | 'NAME_BAD' = 'LINK_BAD') {} }`),
    ).toEqual({
      DISK_BAD: ['local'],
      LINK_BAD: [],
      NAME_BAD: [],
    });
  });

  it('finds the lines of a table of defects, and none in other tables', () => {
    const source = `const defects = { HOBO_EMPTY: { scope: 'file' } };`;
    expect(codesIn(source, true)).toEqual({ HOBO_EMPTY: ['instrument'] });
    expect(codesIn(source)).toEqual({});
  });

  it('takes no single word of another call, no attribute name, no comparison and no text that is looked for as a code', () => {
    expect(
      codesIn(`exec('COMMIT'); const names = ['PROGRAM_SIGNATURE']; if (unit === 'MJ_M2') run(names.indexOf('TIMESTAMP_END'));`),
    ).toEqual({});
  });
});
