import { describe, expect, it } from 'vitest';
import { InvariantViolation, invariant } from '../../../src/core/assert.ts';
import { GodwitError } from '../../../src/core/errors.ts';
import { identifier, identifierToBytes, isIdentifierText, type NodeId, parseIdentifier } from '../../../src/core/identifiers.ts';
import { failure, success } from '../../../src/core/outcome.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../../../src/core/time.ts';

const at = (ms: number, reason = ''): Deadline => ({ at: ms as MonotonicMs, reason });

describe('an invariant', () => {
  it('stops the program when it does not hold, and only then', () => {
    expect(() => invariant(true, 'x')).not.toThrow();
    expect(() => invariant(0, 'nothing left')).toThrow(new InvariantViolation('nothing left'));
  });
});

describe('an error of the public API', () => {
  it('says code, whether to try again, and what caused it', () => {
    const cause = new Error('disk');
    expect(new GodwitError('DISK_FULL', 'no space', { retryable: true, cause })).toMatchObject({
      name: 'GodwitError',
      code: 'DISK_FULL',
      retryable: true,
      cause,
    });
    expect(new GodwitError('X', 'x').retryable).toBe(false);
    expect('cause' in new GodwitError('X', 'x')).toBe(false);
  });

  it('takes the words of a failed outcome', () => {
    const outcome = failure('LOG_GAP', 'peer', 'an entry is missing');
    expect(GodwitError.from(outcome.fault, { retryable: true })).toMatchObject({
      code: 'LOG_GAP',
      message: 'an entry is missing',
      retryable: true,
    });
    expect(success(5)).toEqual({ ok: true, value: 5 });
  });
});

describe('an identifier', () => {
  it('has 32 bytes, written as 64 lower-case digits', () => {
    const id = identifier<NodeId>(new Uint8Array(32).fill(0xab));
    expect(id).toBe('ab'.repeat(32));
    expect(identifierToBytes(id)).toEqual(new Uint8Array(32).fill(0xab));
    expect(parseIdentifier(id)).toBe(id);
    expect(() => identifier(new Uint8Array(31))).toThrow(RangeError);
  });

  it.each(['', 'ab', 'AB'.repeat(32), `${'ab'.repeat(31)}zz`, ` ${'ab'.repeat(32)}`, `${'ab'.repeat(32)}\n`])('is not %j', (text) => {
    expect([isIdentifierText(text), parseIdentifier(text)]).toEqual([false, undefined]);
  });
});

describe('deadlines', () => {
  it('that come first win; of two at once, the first', () => {
    expect(earliest(at(5), at(3))).toEqual(at(3));
    expect(earliest(at(3, 'a'), at(3, 'b'))).toEqual(at(3, 'a'));
    expect([earliest(undefined, at(1)), earliest(at(1), undefined), earliest(undefined, undefined)]).toEqual([at(1), at(1), undefined]);
    expect(later(5 as MonotonicMs, 2.5)).toBe(7.5);
  });
});
