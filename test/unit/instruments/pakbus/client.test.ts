import { describe, expect, test } from 'vitest';
import { toHex } from '../../../../src/core/bytes.ts';
import type { MonotonicMs } from '../../../../src/core/time.ts';
import { encodeClockAnswer, encodePleaseWait, encodeUploadAnswer } from '../../../../src/instruments/pakbus/application-messages.ts';
import { PakbusClient } from '../../../../src/instruments/pakbus/client.ts';
import {
  decodeMessage,
  deliveryFailures,
  encodeDeliveryFailure,
  encodeHello,
  encodeMessage,
  type PakbusMessage,
} from '../../../../src/instruments/pakbus/control-messages.ts';
import { Deframer, framed, wakeUpBytes } from '../../../../src/instruments/pakbus/framing.ts';
import {
  decodePacket,
  encodePacket,
  linkStatePacket,
  linkStates,
  messagePacket,
  type PakbusPacket,
  type ProtocolNumber,
} from '../../../../src/instruments/pakbus/packet.ts';
import { clockProcedure, helloProcedure, uploadProcedure } from '../../../../src/instruments/pakbus/procedures.ts';

const ready = { linkState: linkStates.ready, expectMore: 2 };
const noBody = new Uint8Array(0);
const timeoutMs = 6000;

interface Sent {
  readonly packet: PakbusPacket;
  readonly message: PakbusMessage | undefined;
  readonly wasWoken: boolean;
}

/** A client with its outputs read and packets put to it as a logger at address 1 would. */
class Bench {
  readonly client: PakbusClient;
  now = 1000;
  readonly sent: Sent[] = [];
  readonly ended: unknown[] = [];

  constructor(address: { address?: number } = { address: 1 }) {
    this.client = new PakbusClient({ ownAddress: 4094, responseTimeoutMs: timeoutMs, ...address });
  }

  begin(): void {
    this.client.handle({ type: 'begin', procedure: clockProcedure(0) }, this.now as MonotonicMs);
    this.drain();
  }

  hello(): void {
    this.client.handle(
      { type: 'begin', procedure: helloProcedure({ isRouter: false, hopMetric: 2, verifyIntervalSeconds: 0 }) },
      this.now as MonotonicMs,
    );
    this.drain();
  }

  bytes(bytes: Uint8Array): void {
    this.client.handle({ type: 'bytes', bytes }, this.now as MonotonicMs);
    this.drain();
  }

  packet(packet: PakbusPacket): void {
    this.bytes(framed(encodePacket(packet)));
  }

  message(protocol: ProtocolNumber, type: number, transaction: number, body: Uint8Array, { from = 1, to = 4094 } = {}): void {
    this.packet(messagePacket({ from, to }, ready, protocol, encodeMessage({ type, transaction, body })));
  }

  answerClock(transaction: number, seconds = 5): void {
    this.message(1, 0x97, transaction, encodeClockAnswer({ seconds, nanoseconds: 0 }));
  }

  /** Time goes on to the deadline. */
  expire(): void {
    this.now = this.client.nextDeadline()!.at;
    this.client.handle({ type: 'due' }, this.now as MonotonicMs);
    this.drain();
  }

  last(): Sent {
    return this.sent.at(-1)!;
  }

  number(): number {
    return this.last().message!.transaction;
  }

  drain(): void {
    for (let output = this.client.poll(); output !== undefined; output = this.client.poll()) {
      if (output.type === 'ended') this.ended.push(output.outcome);
      else {
        const [bytes] = new Deframer().push(output.bytes);
        const packet = decodePacket(bytes!);
        if (!packet.ok) throw new Error(packet.fault.message);
        const message = packet.value.payload === undefined ? undefined : decodeMessage(packet.value.payload.message);
        const wasWoken = toHex(output.bytes).startsWith(toHex(wakeUpBytes));
        this.sent.push({ packet: packet.value, message: message?.ok ? message.value : undefined, wasWoken });
      }
    }
  }
}

describe('a transaction', () => {
  test('ends with the answer that has its number', () => {
    const bench = new Bench();
    bench.begin();
    bench.now += 40;
    bench.answerClock(bench.number());
    expect(bench.ended).toEqual([{ ok: true, value: { time: { seconds: 5, nanoseconds: 0 }, roundTripMs: 40 } }]);
    expect(bench.client.nextDeadline()).toBeUndefined();
  });

  test.each<[string, (bench: Bench) => void]>([
    ['another number', (bench) => bench.answerClock((bench.number() % 255) + 1)],
    ['another type', (bench) => bench.message(1, 0x98, bench.number(), noBody)],
    ['another protocol', (bench) => bench.message(0, 0x97, bench.number(), encodeClockAnswer({ seconds: 1, nanoseconds: 0 }))],
    ['another sender', (bench) => bench.message(1, 0x97, bench.number(), encodeClockAnswer({ seconds: 1, nanoseconds: 0 }), { from: 2 })],
    [
      'another addressee',
      (bench) => bench.message(1, 0x97, bench.number(), encodeClockAnswer({ seconds: 1, nanoseconds: 0 }), { to: 4093 }),
    ],
    ['a body too short', (bench) => bench.message(1, 0x97, bench.number(), Uint8Array.of(0))],
    ['no body', (bench) => bench.message(1, 0x97, bench.number(), noBody)],
    ['half a message', (bench) => bench.packet(messagePacket({ from: 1, to: 4094 }, ready, 1, Uint8Array.of(0x97)))],
  ])('is not ended by %s', (_, send) => {
    const bench = new Bench();
    bench.begin();
    send(bench);
    expect(bench.ended).toEqual([]);
  });

  test('is repeated under its number, ringing, and given up after four times', () => {
    const bench = new Bench();
    bench.begin();
    const number = bench.number();
    for (let attempt = 1; attempt <= 4; attempt++) {
      expect(bench.sent).toHaveLength(attempt);
      expect(bench.last()).toMatchObject({
        wasWoken: true,
        packet: { linkState: linkStates.ring, expectMore: 1 },
        message: { transaction: number },
      });
      bench.expire();
    }
    expect(bench.sent).toHaveLength(4);
    expect(bench.now).toBe(1000 + 4 * timeoutMs);
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: 'INSTRUMENT_TIMEOUT' } }]);
  });

  test('takes the answer to an earlier repetition', () => {
    const bench = new Bench();
    bench.begin();
    const number = bench.number();
    bench.expire();
    bench.answerClock(number);
    expect(bench.ended).toMatchObject([{ ok: true }]);
  });

  test('drops the answer when it comes again, and in the next transaction too', () => {
    const bench = new Bench();
    bench.begin();
    const number = bench.number();
    bench.answerClock(number);
    bench.answerClock(number);
    expect(bench.ended).toHaveLength(1);
    bench.begin();
    bench.answerClock(number, 99);
    expect(bench.ended).toHaveLength(1);
  });

  test('says what was wrong with the answers rather than that there were none', () => {
    const bench = new Bench();
    bench.begin();
    bench.message(1, 0x97, bench.number(), Uint8Array.of(0));
    for (let attempt = 1; attempt <= 4; attempt++) bench.expire();
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: 'PAKBUS_MALFORMED' } }]);
  });

  test('says that there was no answer when all that came was an earlier one again', () => {
    const bench = new Bench();
    bench.client.handle({ type: 'begin', procedure: uploadProcedure('.TDF', 0) }, bench.now as MonotonicMs);
    bench.drain();
    bench.message(1, 0x9d, bench.number(), encodeUploadAnswer({ offset: 512, bytes: Uint8Array.of(1) }));
    for (let attempt = 1; attempt <= 4; attempt++) bench.expire();
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: 'INSTRUMENT_TIMEOUT' } }]);
  });

  test('has a number from 1 to 255, and after 255 comes 1', () => {
    const bench = new Bench();
    const numbers: number[] = [];
    for (let i = 0; i < 300; i++) {
      bench.begin();
      numbers.push(bench.number());
      bench.answerClock(bench.number());
    }
    expect(new Set(numbers)).toEqual(new Set(Array.from({ length: 255 }, (_, i) => i + 1)));
    expect(numbers[numbers.indexOf(255) + 1]).toBe(1);
  });

  test('goes out on a quiet link once the logger was heard', () => {
    const bench = new Bench();
    bench.begin();
    bench.answerClock(bench.number());
    bench.begin();
    expect(bench.last()).toMatchObject({ wasWoken: false, packet: { linkState: linkStates.ready, expectMore: 2 } });
  });

  test('never begins inside another one', () => {
    const bench = new Bench();
    bench.begin();
    expect(() => bench.begin()).toThrow('while another one runs');
  });

  test.each([
    ['denied', 1, 'INSTRUMENT_REFUSED'],
    ['no resources', 2, 'INSTRUMENT_BUSY'],
    ['an unknown reason', 99, 'INSTRUMENT_REFUSED'],
  ])('ends at once when the logger answers %s', (_, code, expected) => {
    const bench = new Bench();
    bench.begin();
    bench.message(1, 0x97, bench.number(), Uint8Array.of(code));
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: expected } }]);
  });
});

describe('please wait', () => {
  function waitBody(seconds: number, commandType = 0x17) {
    return encodePleaseWait({ commandType, waitSeconds: seconds });
  }

  test('moves the time limit', () => {
    const bench = new Bench();
    bench.begin();
    bench.now += 5000;
    bench.message(1, 0xa1, bench.number(), waitBody(20));
    expect(bench.client.nextDeadline()!.at).toBe(bench.now + 20_000 + timeoutMs);
  });

  test('moves it by 30 seconds at most', () => {
    const bench = new Bench();
    bench.begin();
    bench.message(1, 0xa1, bench.number(), waitBody(65_535));
    expect(bench.client.nextDeadline()!.at).toBe(bench.now + 30_000 + timeoutMs);
  });

  test('cannot hold a command for ever', () => {
    const bench = new Bench();
    bench.begin();
    for (let i = 0; i < 1000; i++) {
      bench.message(1, 0xa1, bench.number(), waitBody(30));
      bench.now += 10_000;
    }
    expect(bench.client.nextDeadline()!.at).toBeLessThan(bench.now);
  });

  test.each<[string, (bench: Bench) => void]>([
    ['another transaction', (bench) => bench.message(1, 0xa1, bench.number() + 1, waitBody(20))],
    ['another command', (bench) => bench.message(1, 0xa1, bench.number(), waitBody(20, 0x18))],
    ['nothing', (bench) => bench.message(1, 0xa1, bench.number(), noBody)],
  ])('for %s moves nothing', (_, send) => {
    const bench = new Bench();
    bench.begin();
    const before = bench.client.nextDeadline();
    send(bench);
    expect(bench.client.nextDeadline()).toEqual(before);
  });
});

describe('the link', () => {
  test('a ring is answered with ready', () => {
    const bench = new Bench();
    bench.packet(linkStatePacket({ from: 1, to: 4094 }, linkStates.ring));
    expect(bench.sent.map(({ packet }) => packet)).toEqual([linkStatePacket({ from: 4094, to: 1 }, linkStates.ready)]);
  });

  test('ready is the end of ringing, finished its beginning', () => {
    const bench = new Bench();
    bench.packet(linkStatePacket({ from: 1, to: 4094 }, linkStates.ready));
    bench.begin();
    expect(bench.last().packet.linkState).toBe(linkStates.ready);
    bench.answerClock(bench.number());
    bench.packet(linkStatePacket({ from: 1, to: 4094 }, linkStates.finished));
    bench.begin();
    expect(bench.last().packet.linkState).toBe(linkStates.ring);
  });

  test('after a bye from the logger it is rung for again', () => {
    const bench = new Bench();
    bench.begin();
    bench.answerClock(bench.number());
    bench.message(0, 0x0d, 0, noBody);
    bench.begin();
    expect(bench.last().packet.linkState).toBe(linkStates.ring);
  });

  test('bye goes out finished, and only to a known address', () => {
    const bench = new Bench();
    bench.client.handle({ type: 'bye' }, 0 as MonotonicMs);
    expect(bench.client.poll()).toMatchObject({ type: 'send' });
    const unknown = new PakbusClient({ ownAddress: 4094, responseTimeoutMs: 1 });
    unknown.handle({ type: 'bye' }, 0 as MonotonicMs);
    expect(unknown.poll()).toBeUndefined();
  });

  test('damage is counted', () => {
    const bench = new Bench();
    bench.bytes(Uint8Array.of(0xbd, 1, 2, 3, 4, 5, 6, 7, 0xbd, 0xbc, 0x00, 0xbd));
    bench.packet(messagePacket({ from: 1, to: 4094 }, ready, 1, Uint8Array.of(0x97)));
    expect(bench.client.packetsDamaged).toBe(3);
  });
});

describe('hello', () => {
  const slow = encodeHello({ isRouter: false, hopMetric: 5, verifyIntervalSeconds: 250 });

  test('of the logger is answered under its number with its interval over 2.5', () => {
    const bench = new Bench();
    bench.message(0, 0x09, 42, slow);
    expect(bench.last().message).toEqual({
      type: 0x89,
      transaction: 42,
      body: encodeHello({ isRouter: false, hopMetric: 2, verifyIntervalSeconds: 100 }),
    });
  });

  test('of a logger behind a slow way gives it more time, its own and its answer alike', () => {
    const own = new Bench();
    own.message(0, 0x09, 42, slow);
    own.begin();
    expect(own.client.nextDeadline()!.at - own.now).toBe(61_000);
    const answer = new Bench();
    answer.hello();
    answer.message(0, 0x89, answer.number(), slow);
    expect(answer.ended).toEqual([{ ok: true, value: { isRouter: false, hopMetric: 5, verifyIntervalSeconds: 250 } }]);
    answer.begin();
    expect(answer.client.nextDeadline()!.at - answer.now).toBe(61_000);
  });

  test('too short is not answered, and no answer', () => {
    const bench = new Bench();
    bench.message(0, 0x09, 42, Uint8Array.of(0));
    expect(bench.sent).toEqual([]);
    bench.hello();
    bench.message(0, 0x89, bench.number(), Uint8Array.of(0));
    expect(bench.ended).toEqual([]);
  });

  test('tells the address when it is not known, and the command follows', () => {
    const bench = new Bench({});
    bench.begin();
    expect(bench.last()).toMatchObject({ packet: { payload: { destination: 4095 } }, message: { type: 0x0e } });
    bench.message(0, 0x09, 3, slow, { from: 77 });
    expect(bench.client.address).toBe(77);
    expect(bench.last()).toMatchObject({ packet: { payload: { destination: 77 } }, message: { type: 0x17 } });
    bench.message(1, 0x97, bench.number(), encodeClockAnswer({ seconds: 1, nanoseconds: 0 }), { from: 77 });
    expect(bench.ended).toMatchObject([{ ok: true }]);
  });

  test('requests of others are left alone', () => {
    const bench = new Bench();
    bench.message(0, 0x0e, 0, noBody, { to: 4095 });
    expect(bench.sent).toEqual([]);
  });
});

describe('what does not arrive or is not understood', () => {
  function failed(code: number, number: number): Uint8Array {
    return encodeDeliveryFailure({ code, protocol: 1, destination: 1, source: 4094, messageStart: Uint8Array.of(0x17, number) });
  }

  test('a command that the logger does not know ends at once', () => {
    const bench = new Bench();
    bench.begin();
    bench.message(0, 0x81, 0, failed(deliveryFailures.unknownCommand, bench.number()));
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: 'INSTRUMENT_REFUSED' } }]);
  });

  test('a packet that was not delivered is repeated, and the reason is told in the end', () => {
    const bench = new Bench();
    bench.begin();
    bench.message(0, 0x81, 0, failed(deliveryFailures.destinationUnreachable, bench.number()));
    expect(bench.ended).toEqual([]);
    for (let attempt = 1; attempt <= 4; attempt++) bench.expire();
    expect(bench.ended).toMatchObject([{ ok: false, fault: { code: 'INSTRUMENT_UNREACHABLE' } }]);
  });

  test('a failure without the start of its message is known by its own number', () => {
    const bench = new Bench();
    bench.begin();
    const body = encodeDeliveryFailure({
      code: deliveryFailures.malformedMessage,
      protocol: 1,
      destination: 1,
      source: 4094,
      messageStart: noBody,
    });
    bench.message(0, 0x81, bench.number(), body);
    expect(bench.ended).toMatchObject([{ ok: false }]);
  });

  test('a failure of something else, or cut short, changes nothing', () => {
    const bench = new Bench();
    bench.begin();
    bench.message(0, 0x81, 0, failed(deliveryFailures.unknownCommand, bench.number() + 1));
    bench.message(0, 0x81, bench.number(), noBody);
    expect(bench.ended).toEqual([]);
  });

  test('a command from the logger that this end does not know is refused', () => {
    const bench = new Bench();
    bench.message(1, 0x14, 9, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
    expect(bench.last().message).toEqual({
      type: 0x81,
      transaction: 0,
      body: encodeDeliveryFailure({
        code: deliveryFailures.unknownCommand,
        protocol: 1,
        destination: 4094,
        source: 1,
        messageStart: Uint8Array.of(0x14, 9, 1, 2, 3, 4, 5, 6),
      }),
    });
  });
});
