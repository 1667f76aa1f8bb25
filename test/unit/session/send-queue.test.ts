import { describe, expect, it } from 'vitest';
import { utf8, utf8Text } from '../../../src/core/bytes.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import { decodeFrames, messageWindowBytes } from '../../../src/session/frames.ts';
import { type Filling, type Piece, SendQueue } from '../../../src/session/send-queue.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

/** Fills one packet; the frames must say what the pieces say. */
function packet(queue: SendQueue, bytes = 200): Filling & { readonly length: number } {
  const writer = new WireWriter(new Uint8Array(bytes));
  const filling = queue.fill(writer);
  if (filling.pieces.length > 0) {
    const frames = decodeFrames(writer.written);
    expect(frames.ok && frames.value.map((frame) => ('bytes' in frame ? frame.bytes : undefined))).toEqual(
      filling.pieces.map((piece) => piece.bytes),
    );
  }
  expect(filling.dataBytes + filling.messageBytes + filling.repeatedBytes).toBe(writer.length);
  return { ...filling, length: writer.length };
}

function push(queue: SendQueue, priority: PriorityClass, length: number, transfer = 1, last = false): void {
  queue.pushData(priority, { transfer, offset: 0, bytes: new Uint8Array(length), last });
}

function classes(pieces: readonly Piece[]): string[] {
  return pieces.map(({ priority }) => priority);
}

describe('a send queue', () => {
  it('fills packets to the last byte and splits what does not fit', () => {
    const queue = new SendQueue();
    push(queue, 'bulk', 500, 1, true);
    const sizes: number[] = [];
    for (let filling = packet(queue); filling.pieces.length > 0; filling = packet(queue)) {
      sizes.push(filling.length);
      expect(filling.pieces.at(-1)).toMatchObject({ last: sizes.length === 3 });
    }
    expect(sizes).toEqual([200, 200, 125]);
    expect(queue.mostUrgent).toBeUndefined();
  });

  it('sends the more urgent class first, whenever it came', () => {
    const queue = new SendQueue();
    push(queue, 'bulk', 1000);
    packet(queue);
    queue.pushMessage('emergency', utf8('fire'));
    push(queue, 'normal', 100);
    expect(queue.mostUrgent).toBe('emergency');
    expect(classes(packet(queue).pieces)).toEqual(['emergency']);
    expect(classes(packet(queue).pieces)).toEqual(['normal', 'bulk']);
    expect(queue.bytesWaiting('normal')).toBe(0);
    expect(queue.bytesWaiting('bulk')).toBeGreaterThan(600);
  });

  it('lets emergency and critical share a packet', () => {
    const queue = new SendQueue();
    queue.pushMessage('critical', utf8('a'));
    queue.pushMessage('emergency', utf8('b'));
    queue.pushMessage('bulk', utf8('c'));
    expect(classes(packet(queue).pieces)).toEqual(['emergency', 'critical']);
  });

  it('gives every waiting class about a thirty-second of what passes it', () => {
    const queue = new SendQueue();
    push(queue, 'emergency', 1_000_000);
    push(queue, 'bulk', 1_000_000);
    const led = { emergency: 0, bulk: 0 };
    for (let i = 0; i < 330; i++) led[packet(queue).pieces[0]!.priority as 'emergency' | 'bulk']++;
    expect(led.bulk).toBe(10);
  });

  it('shares a class evenly between messages and data', () => {
    const queue = new SendQueue();
    push(queue, 'normal', 50_000);
    for (let i = 0; i < 100; i++) queue.pushMessage('normal', new Uint8Array(400));
    let messages = 0;
    let data = 0;
    for (let i = 0; i < 100; i++) {
      const filling = packet(queue);
      messages += filling.messageBytes;
      data += filling.dataBytes;
    }
    expect(messages / data).toBeGreaterThan(0.9);
    expect(messages / data).toBeLessThan(1.1);
    expect(queue.messageBytesWaiting).toBeGreaterThan(0);
  });

  it('sends what was lost before anything new of its class, with the same positions, unless it arrived after all', () => {
    const queue = new SendQueue();
    push(queue, 'normal', 400);
    queue.pushMessage('normal', new Uint8Array(20));
    const first = packet(queue).pieces;
    const second = packet(queue).pieces;
    for (const piece of [...first, ...second]) queue.requeue(piece);
    for (const piece of second) queue.acknowledge(piece);
    const again = packet(queue);
    expect(again.pieces[0]).toEqual(first[0]);
    expect(again.repeatedBytes + again.messageBytes).toBeGreaterThan(0);
    const rest: Piece[] = [];
    for (let filling = packet(queue); filling.pieces.length > 0; filling = packet(queue)) rest.push(...filling.pieces);
    for (const piece of second) expect(rest).not.toContainEqual(piece);
  });

  it('cuts lost pieces anew when packets have become shorter', () => {
    const queue = new SendQueue();
    push(queue, 'normal', 1000, 7, true);
    queue.pushMessage('normal', new Uint8Array(300).fill(1));
    const pieces = [...packet(queue, 700).pieces, ...packet(queue, 700).pieces];
    for (const piece of pieces) queue.requeue(piece);
    const seen = new Uint8Array(1000);
    let lasts = 0;
    let messageBytes = 0;
    for (let filling = packet(queue, 100); filling.pieces.length > 0; filling = packet(queue, 100)) {
      for (const piece of filling.pieces) {
        if (piece.kind === 'message') messageBytes += piece.bytes.length;
        else {
          expect(piece.position).toBe(piece.offset);
          seen.fill(1, piece.offset, piece.offset + piece.bytes.length);
          if (piece.last) lasts++;
        }
      }
    }
    expect(seen.every((value) => value === 1)).toBe(true);
    expect([lasts, messageBytes]).toEqual([1, 302]);
  });

  it('says once that an item has arrived, when the last of its bytes and all before it are acknowledged', () => {
    const queue = new SendQueue();
    const released: number[] = [];
    for (const transfer of [1, 2, 3])
      queue.pushData('bulk', { transfer, offset: 0, bytes: new Uint8Array(300), last: true, released: () => released.push(transfer) });
    const packets: Filling[] = [];
    for (let filling = packet(queue); filling.pieces.length > 0; filling = packet(queue)) packets.push(filling);
    const acknowledge = (filling: Filling | undefined) => {
      for (const piece of filling?.pieces ?? []) queue.acknowledge(piece);
    };
    for (const late of packets.slice(1)) acknowledge(late);
    expect(released).toEqual([]);
    acknowledge(packets[0]);
    expect(released).toEqual([1, 2, 3]);
    acknowledge(packets[0]);
    expect(released).toEqual([1, 2, 3]);
  });

  it('sends an empty last stretch', () => {
    const queue = new SendQueue();
    push(queue, 'normal', 0, 3, true);
    expect(packet(queue).pieces).toMatchObject([{ transfer: 3, last: true, bytes: new Uint8Array(0) }]);
    expect(queue.bytesWaiting('bulk')).toBe(0);
  });

  it('keeps no more than the window of a message stream under way', () => {
    const queue = new SendQueue();
    queue.pushMessage('normal', new Uint8Array(messageWindowBytes + 200_000));
    const pieces: Piece[] = [];
    while (queue.mostUrgent !== undefined) pieces.push(...packet(queue, 60_000).pieces);
    const sent = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
    expect(sent).toBeGreaterThanOrEqual(messageWindowBytes);
    expect(sent).toBeLessThan(messageWindowBytes + 60_000);
    queue.acknowledge(pieces[1]!);
    expect(queue.mostUrgent).toBeUndefined();
    queue.acknowledge(pieces[0]!);
    expect(queue.mostUrgent).toBe('normal');
  });

  it('puts messages into the stream with their lengths', () => {
    const queue = new SendQueue();
    queue.pushMessage('normal', utf8('ab'));
    queue.pushMessage('normal', utf8('cde'));
    const stream = packet(queue)
      .pieces.map(({ bytes }) => utf8Text(bytes))
      .join('');
    expect(stream).toBe('\u0002ab\u0003cde');
  });
});
