import { describe, expect, it } from 'vitest';
import { branchName, decodeForkStatement, encodeForkStatement } from '../../../src/datasets/fork-statement.ts';

const statement = { after: 3, branch: new Uint8Array(16).fill(5), from: 4, to: 9, as: 20 };

describe('a statement about a branch', () => {
  it('comes out as it went in', () => {
    expect(decodeForkStatement(encodeForkStatement(statement))).toEqual({ ok: true, value: statement });
    expect(decodeForkStatement(encodeForkStatement({ ...statement, after: 0, from: 1, to: 1 }))).toMatchObject({ ok: true });
  });

  it('names the branch by the beginning of its first signature', () => {
    const signature = new Uint8Array(64).map((_, index) => index);
    expect([...branchName({ body: new Uint8Array(0), signature })]).toEqual(Array.from({ length: 16 }, (_, index) => index));
  });

  it.each([
    ['entries before the branch', { ...statement, from: 3 }],
    ['an end before its beginning', { ...statement, to: 3 }],
    ['no place', { ...statement, as: 0 }],
    ['half an entry', { ...statement, to: 4.5 }],
    ['a short name', { ...statement, branch: new Uint8Array(15) }],
  ])('is refused with %s', (_, wrong) => {
    expect(decodeForkStatement(encodeForkStatement(wrong))).toMatchObject({ ok: false, fault: { code: 'ENTRY_MALFORMED', blame: 'peer' } });
  });

  it.each([[null], [[]], [[3, new Uint8Array(16), 4, 9]], [[3, new Uint8Array(16), 4, 9, 20, 1]], ['text']])(
    'is refused as %j',
    (payload) => {
      expect(decodeForkStatement(payload)).toMatchObject({ ok: false });
    },
  );
});
