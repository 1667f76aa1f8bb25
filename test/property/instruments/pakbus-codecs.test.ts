import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MonotonicMs } from '../../../src/core/time.ts';
import {
  decodeClockAnswer,
  decodeCollectCommand,
  decodePleaseWait,
  decodeStatisticsAnswer,
  decodeUploadAnswer,
  decodeUploadCommand,
  responseCodeOf,
} from '../../../src/instruments/pakbus/application-messages.ts';
import { ByteReader } from '../../../src/instruments/pakbus/byte-reader.ts';
import { ByteWriter } from '../../../src/instruments/pakbus/byte-writer.ts';
import { PakbusClient } from '../../../src/instruments/pakbus/client.ts';
import { decodeCollectAnswer, decodeWholeRecord, recordLayout } from '../../../src/instruments/pakbus/collect-answer.ts';
import { decodeDeliveryFailure, decodeHello, decodeMessage, encodeMessage } from '../../../src/instruments/pakbus/control-messages.ts';
import { dataTypeNamed } from '../../../src/instruments/pakbus/data-types.ts';
import { decodeDirectoryListing } from '../../../src/instruments/pakbus/directory-listing.ts';
import { Deframer, framed, packetBytesMax } from '../../../src/instruments/pakbus/framing.ts';
import { float32Text } from '../../../src/instruments/pakbus/number-formats.ts';
import { decodePacket, encodePacket, messagePacket } from '../../../src/instruments/pakbus/packet.ts';
import { statisticsProcedure } from '../../../src/instruments/pakbus/procedures.ts';
import { decodeRoutes, decodeSettingsAnswer } from '../../../src/instruments/pakbus/settings.ts';
import { nullifierOf, signatureOf } from '../../../src/instruments/pakbus/signature.ts';
import { columnsOf, decodeTableDefinitions, encodeTableDefinitions } from '../../../src/instruments/pakbus/table-definitions.ts';
import { weatherProgram } from '../../../src/simulation/pakbus-weather-station.ts';

const definitions = encodeTableDefinitions(weatherProgram(1, 60, 100).tables);
const tables = decodeTableDefinitions(definitions);
const layouts = tables.ok ? tables.value.map((table) => recordLayout(table)) : [];
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

/** Bytes that are nearly a definitions file: pieces of it changed. */
const nearDefinitions = fc.array(fc.tuple(fc.nat(definitions.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
  const changed = definitions.slice();
  for (const [at, value] of changes) changed[at] = value;
  return changed;
});

describe('whatever the bytes', () => {
  test('no decoder throws, and none takes what it should refuse for something endless', () => {
    fc.assert(
      fc.property(fc.oneof(bytes(64), bytes(1100), nearDefinitions), (hostile) => {
        for (const decode of [
          decodePacket,
          decodeMessage,
          decodeHello,
          decodeDeliveryFailure,
          decodePleaseWait,
          decodeClockAnswer,
          decodeStatisticsAnswer,
          decodeUploadCommand,
          decodeUploadAnswer,
          decodeCollectCommand,
          decodeDirectoryListing,
          decodeSettingsAnswer,
          decodeRoutes,
          responseCodeOf,
        ]) {
          expect(typeof decode(hostile).ok).toBe('boolean');
        }
        for (const layout of layouts) {
          if (!layout.ok) throw new Error(layout.fault.message);
          const answer = decodeCollectAnswer(hostile, layout.value);
          if (answer.ok) {
            const numbers = answer.value.runs.flat().map(({ number }) => number);
            expect(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)).toBe(true);
          }
          expect(typeof decodeWholeRecord(hostile, layout.value, 0).ok).toBe('boolean');
        }
        const decoded = decodeTableDefinitions(hostile);
        if (decoded.ok) for (const table of decoded.value) expect(typeof columnsOf(table.fields).ok).toBe('boolean');
      }),
      { numRuns: 1500 },
    );
  });

  test('the client neither throws nor answers more than it was told', () => {
    const message = fc.record({ type: fc.nat(255), transaction: fc.nat(255), body: bytes(40) }).map(encodeMessage);
    const packet = fc
      .tuple(fc.nat(15), fc.constantFrom(0 as const, 1 as const), message)
      .map(([linkState, protocol, content]) =>
        framed(encodePacket(messagePacket({ from: 1, to: 4094 }, { linkState, expectMore: 2 }, protocol, content))),
      );
    fc.assert(
      fc.property(fc.array(fc.oneof(packet, bytes(60)), { maxLength: 30 }), (inputs) => {
        const client = new PakbusClient({ address: 1, ownAddress: 4094, responseTimeoutMs: 1000 });
        client.handle({ type: 'begin', procedure: statisticsProcedure(0) }, 0 as MonotonicMs);
        let outputs = 0;
        for (const input of inputs) client.handle({ type: 'bytes', bytes: input }, 1 as MonotonicMs);
        while (client.poll() !== undefined) outputs += 1;
        expect(outputs).toBeLessThanOrEqual(2 + inputs.length * 30);
      }),
      { numRuns: 300 },
    );
  });
});

describe('framing', () => {
  const packets = fc.array(fc.uint8Array({ minLength: 4, maxLength: packetBytesMax }), { maxLength: 6 });

  test('packets come back whole and in order, wherever the stream is cut and whatever precedes it', () => {
    fc.assert(
      fc.property(packets, bytes(20), fc.array(fc.nat(200), { maxLength: 8 }), (sent, rubbish, cuts) => {
        const stream = Uint8Array.from([...rubbish, ...sent.flatMap((packet) => [...framed(packet)])]);
        const deframer = new Deframer();
        const found: Uint8Array[] = [];
        let offset = 0;
        for (const cut of cuts) {
          found.push(...deframer.push(stream.subarray(offset, offset + cut)));
          offset += cut;
        }
        found.push(...deframer.push(stream.subarray(offset)));
        expect(found.slice(found.length - sent.length)).toEqual(sent);
      }),
      { numRuns: 200 },
    );
  });

  test('any bytes with their nullifier have the signature zero', () => {
    fc.assert(
      fc.property(bytes(1000), (signed) => {
        expect(signatureOf(Uint8Array.of(...signed, ...nullifierOf(signatureOf(signed))))).toBe(0);
      }),
    );
  });
});

describe('numbers', () => {
  test('the text of a single-precision number reads back as the same number, and no shorter one does', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = float32Text(value);
        expect(Math.fround(Number(text)) + 0).toBe(value + 0);
        const digits = text.replace(/e.*$/, '').replaceAll(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '').length;
        if (digits > 1) expect(Math.fround(Number(value.toPrecision(digits - 1)))).not.toBe(value);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['FP2', 3, 7999],
    ['FP3', 7, 1_048_573],
  ] as const)('%s keeps a decimal number to half its last place', (name, places, max) => {
    const type = dataTypeNamed(name)!;
    fc.assert(
      fc.property(fc.double({ min: -max, max, noNaN: true }), (value) => {
        const writer = new ByteWriter();
        type.write(writer, value, 0);
        const stored = Number(type.read(new ByteReader(writer.finish()), 0));
        const wholeDigits = Math.max(0, Math.ceil(Math.log10(Math.abs(value) / (max / 10 ** places))));
        expect(Math.abs(stored - value)).toBeLessThanOrEqual(0.5000001 * 10 ** (wholeDigits - places));
      }),
      { numRuns: 1000 },
    );
  });

  test('FP4 keeps 24 bits', () => {
    const type = dataTypeNamed('FP4')!;
    fc.assert(
      fc.property(fc.double({ min: -1e15, max: 1e15, noNaN: true }), (value) => {
        if (Math.abs(value) < 1e-15) return;
        const writer = new ByteWriter();
        type.write(writer, value, 0);
        const stored = Number(type.read(new ByteReader(writer.finish()), 0));
        expect(Math.abs(stored - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -23);
      }),
    );
  });
});
