import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { LineSplitter } from '../../../src/formats/line-splitter.ts';
import { latin1 } from './reading.ts';

const lineMax = limits.instrumentLineBytesMax;

interface Cut {
  kind: string;
  text: string;
  offset: number;
  length: number;
}

function cut(bytes: Uint8Array, pushBytes: number, { offset = 0, inLongLine = false } = {}): Cut[] {
  const splitter = new LineSplitter(offset, inLongLine);
  const pieces: Cut[] = [];
  const drain = (atEnd: boolean): void => {
    for (let piece = splitter.next(atEnd); piece; piece = splitter.next(atEnd)) {
      const text = String.fromCharCode(...splitter.bytes.subarray(piece.from, Math.min(piece.textTo, piece.from + 40)));
      pieces.push({ kind: piece.kind, text, offset: piece.offset, length: piece.to - piece.from });
    }
  };
  for (let at = 0; at < bytes.length; at += pushBytes) {
    splitter.push(bytes.subarray(at, at + pushBytes));
    drain(false);
  }
  drain(true);
  expect(splitter.offset).toBe(offset + bytes.length);
  return pieces;
}

describe('line splitter', () => {
  it('cuts lines at LF and CRLF, and hands out the rest at the end only', () => {
    expect(cut(latin1('one\ntwo\r\n\nfour'), 100)).toEqual([
      { kind: 'line', text: 'one', offset: 0, length: 4 },
      { kind: 'line', text: 'two', offset: 4, length: 5 },
      { kind: 'line', text: '', offset: 9, length: 1 },
      { kind: 'rest', text: 'four', offset: 10, length: 4 },
    ]);
    const splitter = new LineSplitter(0, false);
    splitter.push(latin1('unfinished'));
    expect(splitter.next()).toBeUndefined();
    expect(splitter.offset).toBe(0);
  });

  it('drops the CR of a line end that was cut in two at the end of the file', () => {
    expect(cut(latin1('one\r'), 100)).toEqual([{ kind: 'rest', text: 'one', offset: 0, length: 4 }]);
  });

  it('gives the same pieces whatever the size of the pushes', () => {
    const bytes = latin1('one\ntwo\r\nto\0\0\0\0three\n\0single\nlast\0\0');
    const whole = cut(bytes, bytes.length);
    for (let pushBytes = 1; pushBytes < bytes.length; pushBytes++) expect(cut(bytes, pushBytes)).toEqual(whole);
  });

  it('counts offsets from where the first byte stands', () => {
    expect(cut(latin1('a\nb\n'), 1, { offset: 1000 }).map(({ offset }) => offset)).toEqual([1000, 1002]);
  });

  it('cuts a NUL run off together with the torn line before it, and goes on behind it', () => {
    expect(cut(latin1('torn \0\0\0whole\nnext\n'), 100)).toEqual([
      { kind: 'nul-run', text: 'torn \0\0\0', offset: 0, length: 8 },
      { kind: 'line', text: 'whole', offset: 8, length: 6 },
      { kind: 'line', text: 'next', offset: 14, length: 5 },
    ]);
  });

  it('takes the last of several NUL runs in a line', () => {
    expect(cut(latin1('a\0\0b\0\0c\0d\n'), 100).map(({ kind, length }) => [kind, length])).toEqual([
      ['nul-run', 6],
      ['line', 4],
    ]);
  });

  it('leaves a single zero byte in its line', () => {
    expect(cut(latin1('\0a\0b\n\0c\n'), 100).map(({ kind, text }) => [kind, text])).toEqual([
      ['line', '\0a\0b'],
      ['line', '\0c'],
    ]);
  });

  it('takes a NUL run at the end of the file as damage', () => {
    expect(cut(latin1('a\n\0\0\0'), 100).map(({ kind, length }) => [kind, length])).toEqual([
      ['line', 2],
      ['nul-run', 3],
    ]);
  });

  it('hands a line over the limit out in pieces of the limit', () => {
    const bytes = latin1(`${'x'.repeat(lineMax * 2 + 10)}\nnext\n`);
    const expected = [
      ['too-long', 0, lineMax],
      ['too-long', lineMax, lineMax],
      ['too-long', 2 * lineMax, 11],
      ['line', 2 * lineMax + 11, 5],
    ];
    for (const pushBytes of [bytes.length, 65_536, lineMax]) {
      expect(cut(bytes, pushBytes).map(({ kind, offset, length }) => [kind, offset, length])).toEqual(expected);
    }
  });

  it('takes a line of exactly the limit as a line', () => {
    const bytes = latin1(`${'x'.repeat(lineMax - 1)}\n`);
    expect(cut(bytes, 65_536).map(({ kind, length }) => [kind, length])).toEqual([['line', lineMax]]);
  });

  it('ends a line that was too long with the file', () => {
    const bytes = latin1('x'.repeat(lineMax + 1));
    expect(cut(bytes, 65_536).map(({ kind, length }) => [kind, length])).toEqual([
      ['too-long', lineMax],
      ['too-long', 1],
    ]);
  });

  it('goes on inside a line that was too long, when told so', () => {
    expect(cut(latin1('tail\nnext\n'), 100, { offset: lineMax, inLongLine: true }).map(({ kind }) => kind)).toEqual(['too-long', 'line']);
  });

  it('knows whether it stopped inside a line that was too long', () => {
    const splitter = new LineSplitter(0, false);
    splitter.push(latin1('x'.repeat(lineMax)));
    expect(splitter.continuesLongLine).toBe(false);
    expect(splitter.next()?.kind).toBe('too-long');
    expect(splitter.continuesLongLine).toBe(true);
    splitter.push(latin1('x\n'));
    expect(splitter.next()?.kind).toBe('too-long');
    expect(splitter.continuesLongLine).toBe(false);
  });

  it('finds the line behind a NUL run longer than the limit', () => {
    const bytes = latin1(`${'\0'.repeat(lineMax + 100)}row\n`);
    expect(cut(bytes, 65_536).map(({ kind, length }) => [kind, length])).toEqual([
      ['nul-run', lineMax],
      ['nul-run', 100],
      ['line', 4],
    ]);
  });

  it('begins a new line behind a NUL run in a line that was too long', () => {
    const bytes = latin1(`${'x'.repeat(lineMax + 10)}\0\0row\n`);
    expect(cut(bytes, 65_536).map(({ kind, length }) => [kind, length])).toEqual([
      ['too-long', lineMax],
      ['nul-run', 12],
      ['line', 4],
    ]);
  });

  it('keeps no more than the unfinished line and the last push', () => {
    const splitter = new LineSplitter(0, false);
    for (let push = 0; push < 200; push++) {
      splitter.push(latin1(`${'y'.repeat(999)}\n`.repeat(4)));
      while (splitter.next());
    }
    expect(splitter.bytes.buffer.byteLength).toBeLessThanOrEqual(8000);
  });

  it('copies what it is given', () => {
    const splitter = new LineSplitter(0, false);
    const pushed = latin1('half');
    splitter.push(pushed);
    pushed.fill(0x78);
    splitter.push(latin1(' line\n'));
    const piece = splitter.next();
    expect(String.fromCharCode(...splitter.bytes.subarray(piece?.from, piece?.textTo))).toBe('half line');
  });
});
