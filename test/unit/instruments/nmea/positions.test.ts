import { describe, expect, test } from 'vitest';
import type { PositionFix } from '../../../../src/core/position-fix.ts';
import { nmeaDriver, nmeaPositions } from '../../../../src/instruments/nmea/driver.ts';
import { PositionTracker } from '../../../../src/instruments/nmea/position-tracker.ts';
import { decodeSentence, encodeSentence, sentenceBytes } from '../../../../src/instruments/nmea/sentence.ts';
import { codeOf, drain, VirtualInstrument } from '../virtual-instrument.ts';

const wallMs = Date.UTC(2026, 5, 1, 12, 0, 5);

/** Fixes that sentences make, each a second after the other. */
function fixes(sentences: readonly string[], startMs = wallMs): PositionFix[] {
  const tracker = new PositionTracker();
  return sentences.flatMap((text, i) => {
    const [address = '', ...fields] = text.split(',');
    const sentence = decodeSentence(encodeSentence(address, fields));
    const fix = sentence.ok ? tracker.handle(sentence.value, startMs + i * 100) : undefined;
    return fix === undefined ? [] : [fix];
  });
}

const gga = 'GNGGA,120000.00,4807.038,N,01131.000,W,4,12,0.6,545.4,M,46.9,M,,';
const rmc = 'GNRMC,120000.00,A,4807.038,N,01131.000,W,0.1,,010626,,,A';

describe('a fix', () => {
  test('has position and height of GGA, date of RMC, and errors of GST', () => {
    expect(fixes([rmc, 'GNGST,120000.00,,,,,0.3,0.4,0.9', gga])).toEqual(
      [
        {
          latitude: expect.closeTo(48.1173, 9),
          longitude: expect.closeTo(-11.5166667, 6),
          altitudeM: 545.4,
          altitudeReference: 'mean-sea-level',
          datum: 'WGS 84',
          horizontalAccuracyM: 0.5,
          verticalAccuracyM: 0.9,
          instantUs: Date.UTC(2026, 5, 1, 12) * 1000,
          receivedAtMs: wallMs + 200,
          source: 'nmea',
        },
      ]
        .slice(0, 1)
        .concat([]) as never,
    );
  });

  test('claims no date, error or height that nobody has said', () => {
    const [fix] = fixes(['GPGGA,120000,4807.038,N,01131.000,W,1,05,2.1,,M,,M,,']);
    expect(Object.keys(fix!).sort()).toEqual(['datum', 'latitude', 'longitude', 'receivedAtMs', 'source']);
    const [old] = fixes(['GNGST,115950.00,,,,,0.3,0.4,0.9', gga]);
    expect(old!.horizontalAccuracyM).toBeUndefined();
  });

  test.each([
    ['GGA of quality 0', 'GPGGA,120000,4807.038,N,01131.000,W,0,00,,,M,,M,,'],
    ['simulated GGA', 'GPGGA,120000,4807.038,N,01131.000,W,8,10,2.0,268.8,M,-33.9,M,,'],
    ['GGA without a position', 'GPGGA,120000,,,,,1,10,2.0,268.8,M,-33.9,M,,'],
    ['void RMC', 'GPRMC,120000,V,4807.038,N,01131.000,W,,,010626,,'],
    ['estimated RMC', 'GPRMC,120000,A,4807.038,N,01131.000,W,,,010626,,,E'],
    ['void GLL', 'GPGLL,4807.038,N,01131.000,W,120000,V'],
    ['depth', 'SDDPT,3.2,0.5'],
  ])('is not made of %s', (_, sentence) => {
    expect(fixes([sentence])).toEqual([]);
  });

  test('is made of RMC or GLL where nothing better is heard for a while', () => {
    const gll = 'ECGLL,5119.881,N,00125.169,E,164326,A';
    const times = (sentences: readonly string[]) => fixes(Array.from({ length: 100 }, (_, i) => sentences[i % sentences.length]!)).length;
    // Ten sentences a second, for ten seconds: five seconds of patience, and five of fixes.
    expect([times([gll]), times([rmc, gll]), times([gga, rmc, gll])]).toEqual([50, 25, 34]);
  });

  test('names the datum that the receiver was set to', () => {
    const [own, known] = fixes(['GPDTM,999,,0.1,N,0.2,E,,W84', gga, 'GPDTM,W72,,0,N,0,E,,W84', gga]);
    expect([own!.datum, known!.datum]).toEqual(['999', 'WGS 72']);
  });

  test('behind midnight, with the date still of the day before, is of the new day', () => {
    const [fix] = fixes(['GPZDA,235959,01,06,2026,00,00', 'GPGGA,000000,4807.038,N,01131.000,E,1,05,2.1,,M,,M,,']);
    expect(fix!.instantUs).toBe(Date.UTC(2026, 5, 2) * 1000);
  });

  test('of a receiver whose weeks have run over has the right date', () => {
    // 1024 weeks before 2026-06-01.
    const [fix] = fixes(['GPRMC,120000,A,4807.038,N,01131.000,E,,,161006,,', gga]);
    expect(fix!.instantUs).toBe(Date.UTC(2026, 5, 1, 12) * 1000);
  });
});

/** A receiver that says its sentences once a second. */
function receiver(...sentences: string[]): VirtualInstrument {
  let next = 0;
  let pending: Uint8Array | undefined;
  const said = sentenceBytes(sentences.map((text) => encodeSentence(text.split(',')[0]!, text.split(',').slice(1))));
  return new VirtualInstrument({
    handle(_, now) {
      if (now.monotonicMs < next) return;
      next += 1000;
      pending = said;
    },
    poll() {
      const bytes = pending;
      pending = undefined;
      return bytes === undefined ? undefined : { bytes };
    },
    nextDeadline: () => ({ at: next as never, reason: 'the next second' }),
  });
}

describe('a session', () => {
  const signal = new AbortController().signal;

  test('finds its tables by listening, and hands over what was heard of each', async () => {
    const line = receiver(
      'GPGGA,000001,4807.038,N,01131.000,E,1,05,2.1,10.5,M,,M,,',
      'SDDPT,3.20,0.5',
      'SDDBT,7.7,f,2.3,M,1.3,F',
      'GPGSV,1,1,00',
    );
    const session = await line.until(nmeaDriver.open({ listenMs: 2500, stationName: 'Boat' }, line, line, signal));
    expect(await line.until(session.identify())).toMatchObject({ stationName: 'Boat', model: '' });
    const tables = await line.until(session.tables());
    expect(tables.map(({ name }) => name)).toEqual(['GPGGA', 'SDDPT', 'SDDBT', 'GPGSV raw']);
    const [gga] = await drain(line, session.collect('GPGGA'));
    expect(gga!.records.map(({ cells }) => cells)).toEqual(
      new Array(3).fill(['48.11730000', '11.51666667', '1', '05', '2.1', '10.5', null]),
    );
    // The time of day it says, on the day of this node's clock.
    expect(gga!.records[0]!.stamp).toEqual({ localUs: Date.UTC(2026, 0, 1, 0, 0, 1) * 1000, offsetMinutes: 0 });
    const [depth] = await drain(line, session.collect('SDDPT', { revision: tables[1]!.revision, nextRecord: 70 }));
    expect(depth).toMatchObject({
      records: [{ cells: ['3.20', '0.5'] }, {}, {}],
      cursor: { nextRecord: 73 },
    });
    expect(depth!.raw).toBe(gga!.raw);
    expect((await drain(line, session.collect('GPGSV raw')))[0]!.records[0]!.cells[0]).toBe('$GPGSV,1,1,00*79');
    expect(await drain(line, session.collect('WIMWV'))).toEqual([]);
    // Asked for again, it listens again.
    expect((await drain(line, session.collect('SDDBT')))[0]!.records).toHaveLength(3);
    expect((await drain(line, session.collect('SDDBT')))[0]!.records.length).toBeGreaterThan(1);
    expect(line.monotonicMs()).toBeGreaterThanOrEqual(5000);
    expect(await codeOf(drain(line, session.collect('SDDBT', { revision: 'x', nextRecord: 0 })))).toEqual(['TABLE_CHANGED', true]);
    expect(await codeOf(session.clock())).toEqual(['INSTRUMENT_WITHOUT_CLOCK', false]);
    await session.close();
  });

  test('parts what a field tells apart: wind relative and true, units, transducers', async () => {
    const line = receiver(
      'WIMWV,214.8,R,0.1,K,A',
      'WIMWV,10,T,3.2,M,A',
      'WIMWV,10,T,3.2,N,A',
      'APXDR,A,0.135,D,PTCH',
      'YXXDR,C,19.52,C,TempAir,P,1.02481,B,Barometer',
      'YXXDR,C,1,C,,C,2,C,',
    );
    const session = await line.until(nmeaDriver.open({ listenMs: 500 }, line, line, signal));
    const tables = await line.until(session.tables());
    expect(tables.map(({ name, fields }) => [name, fields.map((field) => `${field.name} ${field.unit}`.trim())])).toEqual([
      ['WIMWV R km/h', ['WindAngle deg', 'WindSpeed km/h', 'Status']],
      ['WIMWV T m/s', ['WindAngle deg', 'WindSpeed m/s', 'Status']],
      ['WIMWV T kn', ['WindAngle deg', 'WindSpeed kn', 'Status']],
      ['APXDR PTCH deg', ['PTCH deg']],
      ['YXXDR TempAir degC Barometer bar', ['TempAir degC', 'Barometer bar']],
      ['YXXDR C0 degC C1 degC', ['C0 degC', 'C1 degC']],
    ]);
    expect((await drain(line, session.collect('YXXDR TempAir degC Barometer bar')))[0]!.records[0]!.cells).toEqual(['19.52', '1.02481']);
  });

  test('reads every listed kind of sentence by its columns', async () => {
    const line = receiver(
      'WIMDA,30.2269,I,1.0236,B,14.2,C,9.1,C,70.1,,8.8,C,214.7,T,201.6,M,5.6,N,2.9,M',
      'WIMWD,214.7,T,201.6,M,5.6,N,2.9,M',
      'IIMTW,17.9,C',
      'GPVTG,54.7,T,34.4,M,5.5,N,10.2,K',
      'HEHDT,74.8,T',
      'GPZDA,201530.00,04,07,2002,00,00',
      'GPGSA,A,3,,,,,,,16,18,,22,24,,3.6,2.1,2.2',
      'YXXDR,A,1,D,x,A,2,D,x',
      'GPGLL,4916.45,S,12311.12,W,225444,A',
    );
    const session = await line.until(nmeaDriver.open({ listenMs: 500 }, line, line, signal));
    const cells: Record<string, unknown> = {};
    for (const { name } of await line.until(session.tables())) {
      const [batch] = await drain(line, session.collect(name));
      cells[name] = batch!.records[0]!.cells;
    }
    expect(cells).toEqual({
      WIMDA: ['1.0236', '14.2', '9.1', '70.1', '8.8', '214.7', '2.9'],
      WIMWD: ['214.7', '201.6', '2.9'],
      IIMTW: ['17.9'],
      GPVTG: ['54.7', '34.4', '10.2'],
      HEHDT: ['74.8'],
      GPZDA: ['201530.00'],
      GPGSA: ['3', '3.6', '2.1', '2.2'],
      'YXXDR raw': [encodeSentence('YXXDR', 'A,1,D,x,A,2,D,x'.split(','))],
      GPGLL: ['-49.27416667', '-123.18533333', 'A'],
    });
  });

  test('with a silent instrument is INSTRUMENT_TIMEOUT, and can be tried again', async () => {
    const line = new VirtualInstrument({ handle: () => undefined, poll: () => undefined, nextDeadline: () => undefined });
    const session = await line.until(nmeaDriver.open({ listenMs: 300 }, line, line, signal));
    expect(await codeOf(line.until(session.tables()))).toEqual(['INSTRUMENT_TIMEOUT', true]);
    expect(await codeOf(line.until(session.tables()))).toEqual(['INSTRUMENT_TIMEOUT', true]);
    expect(line.monotonicMs()).toBe(600);
  });

  test('is not opened with a configuration that is none', async () => {
    const line = receiver();
    expect(await codeOf(nmeaDriver.open({ listenMs: 0 }, line, line, signal))).toEqual(['CONFIGURATION_INVALID', false]);
    expect(line.isClosed).toBe(true);
  });

  test('stops taking at a limit, and takes the rest with the next visit', async () => {
    const line = receiver(...new Array(30_000).fill('SDDPT,3.20,0.5'));
    const session = await line.until(nmeaDriver.open({ listenMs: 60_000 }, line, line, signal));
    const [batch] = await drain(line, session.collect('SDDPT'));
    expect(batch!.records.length).toBeGreaterThanOrEqual(50_000);
    expect(batch!.records.length).toBeLessThan(90_000);
  });
});

describe('positions', () => {
  test('come as the receiver makes them, until the connection ends', async () => {
    const line = receiver('GPRMC,000001,A,4807.038,N,01131.000,E,,,010126,,', 'GPGGA,000001,4807.038,N,01131.000,E,1,05,2.1,10.5,M,,M,,');
    const positions = nmeaPositions(line, line, new AbortController().signal);
    const first = await line.until(positions.next());
    expect(first.value).toMatchObject({ latitude: expect.closeTo(48.1173, 9), source: 'nmea' });
    expect((await line.until(positions.next())).value).toMatchObject({ altitudeM: 10.5, instantUs: Date.UTC(2026, 0, 1, 0, 0, 1) * 1000 });
    line.hangUp();
    expect(await codeOf(line.until(drainRest(positions)))).toEqual(['INSTRUMENT_DISCONNECTED', true]);
  });

  test('end when the caller stops, and close the connection', async () => {
    const line = receiver('GPGGA,000001,4807.038,N,01131.000,E,1,05,2.1,10.5,M,,M,,');
    const positions = nmeaPositions(line, line, new AbortController().signal);
    await line.until(positions.next());
    await line.until(positions.return());
    expect(line.isClosed).toBe(true);
  });
});

async function drainRest(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}
