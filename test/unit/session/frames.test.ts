import { describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import {
  type AckFrame,
  ackRangesMax,
  dataHeaderBytes,
  decodeFrames,
  messageHeaderBytes,
  welcomeBytesMax,
  writeAck,
  writeClose,
  writeData,
  writeMessage,
  writePing,
  writeWelcome,
} from '../../../src/session/frames.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

function packet(...writes: ((writer: WireWriter) => void)[]): Uint8Array {
  const writer = new WireWriter(new Uint8Array(2048));
  for (const write of writes) write(writer);
  return writer.written;
}

function framesOf(bytes: Uint8Array) {
  const outcome = decodeFrames(bytes);
  if (!outcome.ok) throw new Error(outcome.fault.message);
  return outcome.value;
}

const ack: AckFrame = {
  type: 'ack',
  ranges: [
    { low: 90, high: 100 },
    { low: 70, high: 70 },
    { low: 3, high: 50 },
  ],
  arrivalMs: 1234.5,
  delayMs: 12.25,
};

describe('frames', () => {
  it('come out of a packet as they were put in, one behind the other', () => {
    const bytes = utf8('hello');
    const frames = framesOf(
      packet(
        (writer) => writeAck(writer, ack, 100),
        writePing,
        (writer) => writeWelcome(writer, { type: 'welcome', least: 4, bytes: 70_000, seconds: 3600 }),
        (writer) => writeMessage(writer, { priority: 'critical', offset: 70_000, bytes }, false),
        (writer) => writeData(writer, { position: 2 ** 32 + 5, transfer: 300, offset: 1_000_000, bytes, last: true }, true),
      ),
    );
    expect(frames).toEqual([
      ack,
      { type: 'ping' },
      { type: 'welcome', least: 4, bytes: 70_000, seconds: 3600 },
      { type: 'message', priority: 'critical', offset: 70_000, bytes },
      { type: 'data', position: 5, transfer: 300, offset: 1_000_000, bytes, last: true },
    ]);
  });

  it('have the bytes of the specification', () => {
    expect(toHex(packet(writePing))).toBe('01');
    const welcome = { type: 'welcome', least: 1, bytes: 640, seconds: 60 } as const;
    expect(toHex(packet((writer) => writeWelcome(writer, welcome)))).toBe('050142803c');
    expect(toHex(packet((writer) => writeWelcome(writer, { ...welcome, bytes: welcomeBytesMax, seconds: 0 })))).toBe(
      '0501c01fffffffffffff00',
    );
    // Newest 100, delay 49/4 ms, arrival 19,752/16 ms, two more ranges, 10 below the newest; gap 18 length 0; gap 18 length 47.
    expect(toHex(packet((writer) => writeAck(writer, ack, 100)))).toBe('02406431004d28020a1200122f');
    expect(toHex(packet((writer) => writeAck(writer, { ...ack, ranges: [{ low: 90, high: 100 }] }, 100)))).toBe('04406431004d280a');
    expect(toHex(packet((writer) => writeClose(writer, 2, 'no')))).toBe('03026e6f');
    expect(toHex(packet((writer) => writeMessage(writer, { priority: 'bulk', offset: 1, bytes: Uint8Array.of(9) }, false)))).toBe(
      '13010109',
    );
    expect(
      toHex(packet((writer) => writeData(writer, { position: 7, transfer: 2, offset: 64, bytes: Uint8Array.of(9), last: false }, true))),
    ).toBe('240000000702404009');
  });

  it('that go on to the end of the packet have the announced headers', () => {
    const bytes = new Uint8Array(10);
    expect(packet((writer) => writeMessage(writer, { priority: 'normal', offset: 99, bytes }, true)).length).toBe(
      messageHeaderBytes(99) + 10,
    );
    const data = packet((writer) => writeData(writer, { position: 0, transfer: 9, offset: 20_000, bytes, last: false }, true));
    expect(data.length).toBe(dataHeaderBytes(9, 20_000) + 10);
  });

  it('say farewell without a reason that would be too long', () => {
    expect(framesOf(packet((writer) => writeClose(writer, 1, 'x'.repeat(300))))).toEqual([{ type: 'close', code: 1, reason: '' }]);
  });

  it('acknowledge the newest ranges when not all fit', () => {
    const ranges = Array.from({ length: 40 }, (_, i) => ({ low: 1000 - 10 * i, high: 1002 - 10 * i }));
    const [frame] = framesOf(packet((writer) => writeAck(writer, { ...ack, ranges }, 30)));
    expect(frame).toMatchObject({ type: 'ack', ranges: ranges.slice(0, 11) });
  });

  it.each([
    ['', 'nothing at all'],
    ['00', 'an unknown type'],
    ['40', 'an unknown type'],
    ['0240', 'an ACK cut short'],
    ['0440643100', 'an ACK without gaps cut short'],
    ['0405000000000006', 'an ACK without gaps with more below the newest than there are numbers'],
    ['020500000000000006', 'an ACK with more below the newest than there are numbers'],
    ['0205000000000101000300', 'an ACK whose gap reaches below zero'],
    ['03', 'a CLOSE without a code'],
    [`0300${'61'.repeat(257)}`, 'a CLOSE with too long a reason'],
    ['10', 'a MESSAGE without an offset'],
    ['1000056162', 'a MESSAGE shorter than it says'],
    ['14c01fffffffffffff61', 'a MESSAGE beyond the safe integers'],
    ['20000000', 'DATA without a position'],
    ['200000000000000561', 'DATA shorter than it says'],
    ['2400000000c01fffffffffffff', 'DATA without an offset'],
    ['240000000000c01fffffffffffff61', 'DATA beyond the safe integers'],
  ])('%s are refused: %s', (hex) => {
    expect(decodeFrames(fromHex(hex))).toMatchObject({ ok: false, fault: { code: 'FRAME_MALFORMED', blame: 'peer' } });
  });

  it('with more acknowledged ranges than allowed are refused', () => {
    const count = ackRangesMax;
    const hex = `027fff00000000${(0x4000 + count).toString(16)}00${'0000'.repeat(count)}`;
    expect(decodeFrames(fromHex(hex)).ok).toBe(false);
  });
});
