import { describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../../../src/core/bytes.ts';
import { seededRandom } from '../../../../src/core/random.ts';
import { gpsdDriver, gpsdPositions, positionFix } from '../../../../src/instruments/gpsd/driver.ts';
import { decodeReport, type GpsdPosition, instantOfText, ReportFinder } from '../../../../src/instruments/gpsd/reports.ts';
import { GpsdReplay } from '../../../../src/simulation/gpsd-replay.ts';
import { codeOf, drain, VirtualInstrument } from '../virtual-instrument.ts';

const signal = new AbortController().signal;

/** As gpsd 3.22 writes them. */
const tpv =
  '{"class":"TPV","device":"/dev/ttyACM0","status":1,"mode":3,"time":"2026-06-01T12:00:00.500Z","ept":0.005,"lat":46.498204497,"lon":7.568061439,"altHAE":1382.1,"altMSL":1332.6,"epx":15.3,"epy":17.1,"epv":124.5,"track":10.38,"speed":0.091,"climb":-0.085,"eph":22.9}';
const sky =
  '{"class":"SKY","device":"/dev/ttyACM0","hdop":1.2,"vdop":2.1,"pdop":2.4,"satellites":[{"PRN":23,"el":6.0,"az":84.0,"ss":0.0,"used":false},{"PRN":28,"el":7.0,"az":160.0,"ss":31.0,"used":true}]}';
const noFix = '{"class":"TPV","device":"/dev/ttyACM0","mode":1}';
const flat = '{"class":"TPV","mode":2,"time":"2026-06-01T12:00:02Z","lat":46.5,"lon":7.5,"alt":12.5,"epx":3,"epy":4}';

describe('a report', () => {
  test('is decoded by its class, and other classes are of no use', () => {
    expect(decodeReport(tpv)).toMatchObject({ ok: true, value: { class: 'TPV', lat: 46.498204497, altHAE: 1382.1 } });
    expect(decodeReport(sky)).toMatchObject({ ok: true, value: { class: 'SKY', satellites: [{ used: false }, { used: true }] } });
    expect(decodeReport('{"class":"PPS","real_sec":1}')).toEqual({ ok: true, value: undefined });
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '{"lat":1}',
    '{"class":"TPV","lat":91}',
    '{"class":"TPV","lon":"7"}',
    '{"class":"SKY","satellites":{}}',
    '{"class":7}',
  ])('that is %s is GPSD_MALFORMED', (line) => {
    expect(decodeReport(line)).toMatchObject({ ok: false, fault: { code: 'GPSD_MALFORMED', blame: 'instrument' } });
  });

  test('tells its time to the microsecond', () => {
    expect(instantOfText('2026-06-01T12:00:00.123456Z')).toBe(Date.UTC(2026, 5, 1, 12) * 1000 + 123_456);
    expect(instantOfText('2016-12-31T23:59:60.000Z')).toBe(Date.UTC(2017, 0, 1) * 1000);
    expect(['2026-06-01T12:00:00', '2026-02-30T12:00:00Z', '2026-06-01T12:00:61Z', '', undefined].map(instantOfText)).toEqual(
      new Array(5).fill(undefined),
    );
  });

  test('makes a fix with datum, heights and errors, as far as the receiver has them', () => {
    const report = (text: string) => {
      const decoded = decodeReport(text);
      return (decoded.ok ? decoded.value : undefined) as GpsdPosition;
    };
    expect(positionFix(report(tpv), 5)).toEqual({
      latitude: 46.498204497,
      longitude: 7.568061439,
      altitudeM: 1382.1,
      altitudeReference: 'ellipsoid',
      datum: 'WGS 84',
      horizontalAccuracyM: 22.9,
      verticalAccuracyM: 124.5,
      instantUs: Date.UTC(2026, 5, 1, 12) * 1000 + 500_000,
      receivedAtMs: 5,
      source: 'gpsd',
    });
    // A fix in two dimensions has a height typed in or left over, which is none.
    expect(positionFix(report(flat), 5)).not.toHaveProperty('altitudeM');
    expect(positionFix(report(flat), 5)).toMatchObject({ horizontalAccuracyM: 5 });
    expect(positionFix(report(flat.replace('"mode":2', '"mode":3')), 5)).toMatchObject({
      altitudeM: 12.5,
      altitudeReference: 'mean-sea-level',
    });
    expect(positionFix(report(noFix), 5)).toBeUndefined();
  });
});

describe('a stream', () => {
  const stream = utf8(`${tpv}\r\n\r\nnonsense\n${sky}\n`);

  test('cut anywhere gives the same reports', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const finder = new ReportFinder();
      const classes = [...finder.push(stream.subarray(0, cut)), ...finder.push(stream.subarray(cut))].map((report) => report.class);
      expect([classes, finder.damaged]).toEqual([['TPV', 'SKY'], 1]);
    }
  });

  test('of noise gives nothing and holds no more than a line', () => {
    const random = seededRandom(41);
    const finder = new ReportFinder();
    for (let i = 0; i < 300; i++) expect(finder.push(random.bytes(random.below(300)))).toEqual([]);
    const endless = new Uint8Array(70_000).fill(0x7b);
    expect(finder.push(concatBytes(utf8('\n'), endless, utf8(`\n${tpv}\n`)))).toHaveLength(1);
  });
});

function open(reports: readonly string[], listenMs = 4500) {
  const line = new VirtualInstrument(new GpsdReplay({ reports }));
  return { line, session: line.until(gpsdDriver.open({ listenMs, stationName: 'Camp' }, line, line, signal)) };
}

describe('a session', () => {
  test('asks gpsd to report, and has tables of positions and satellites with their time', async () => {
    const { line, session: opening } = open([noFix, tpv, sky, flat]);
    const session = await opening;
    expect(await line.until(session.identify())).toMatchObject({ operatingSystem: 'gpsd 3.22 NMEA0183', stationName: 'Camp', model: '' });
    expect((await line.until(session.tables())).map(({ name }) => name)).toEqual(['Position', 'Sky']);
    const [positions] = await drain(line, session.collect('Position'));
    expect(positions!.records).toEqual([
      {
        stamp: { localUs: Date.UTC(2026, 5, 1, 12) * 1000 + 500_000, offsetMinutes: 0 },
        cells: ['46.498204497', '7.568061439', '1382.1', '1332.6', '3', '22.9', '124.5', '0.091', '10.38', '-0.085'],
      },
      expect.objectContaining({ cells: ['46.5', '7.5', null, '12.5', '2', '5', null, null, null, null] }),
    ]);
    expect((await drain(line, session.collect('Sky')))[0]!.records[0]!.cells).toEqual(['2', '1', '1.2', '2.1', '2.4']);
    await session.close();
  });

  test('without a fix has no position', async () => {
    const { line, session } = open([noFix, noFix]);
    expect(await line.until((await session).tables())).toEqual([]);
    expect(await drain(line, (await session).collect('Position'))).toEqual([]);
  });

  test('is not opened with a wrong configuration, nor on a connection that has ended', async () => {
    const line = new VirtualInstrument(new GpsdReplay({ reports: [] }));
    expect(await codeOf(gpsdDriver.open({ listenMs: 1 }, line, line, signal))).toEqual(['CONFIGURATION_INVALID', false]);
    const gone = new VirtualInstrument(new GpsdReplay({ reports: [] }));
    gone.write = () => Promise.reject(new Error('EPIPE'));
    expect(await codeOf(gpsdDriver.open({}, gone, gone, signal))).toEqual(['INSTRUMENT_DISCONNECTED', true]);
  });
});

test('positions come as gpsd reports them, until the caller stops or the signal ends them', async () => {
  const line = new VirtualInstrument(new GpsdReplay({ reports: [sky, noFix, tpv, flat] }));
  const aborting = new AbortController();
  const positions = gpsdPositions(line, line, aborting.signal);
  expect((await line.until(positions.next())).value).toMatchObject({ latitude: 46.498204497, source: 'gpsd' });
  expect((await line.until(positions.next())).value).toMatchObject({ latitude: 46.5 });
  aborting.abort();
  expect(await codeOf(positions.next())).toEqual(['ABORTED', true]);
  expect(line.isClosed).toBe(true);
});
