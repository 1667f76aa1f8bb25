import { describe, expect, it } from 'vitest';
import { gpxFormat } from '../../../src/formats/gpx/gpx-format.ts';
import { keptWholeFormats } from '../../../src/formats/kept-whole/kept-whole-formats.ts';
import { bytesOf, codes, itemsOf, outline, readWhole, sampleFolder, stampText } from './reading.ts';

const gpx = (points: string, tag = '<gpx version="1.1" creator="Trail &amp; Co">') =>
  bytesOf(`<?xml version="1.0"?>\n${tag}\n${points}</gpx>\n`);
const rows = (text: string) => itemsOf(readWhole(gpxFormat, gpx(text)), 'record').map(({ cells, stamp }) => [...cells, stamp]);
const time = '<time>2024-05-06T07:08:09Z</time>';

describe('GPX', () => {
  it('gives a row for each point with a time, in its own digits and by the clock of its own', () => {
    const point = `<trkpt lon='-9.50' lat="57.010">\n <ele>-2.0</ele><time>2015-12-11T15:43:13.5+01:00</time><fix>3d</fix><sat>7</sat><hdop>1.1</hdop><vdop>2</vdop><pdop>3</pdop><geoidheight>40.1</geoidheight><name>a &lt; b</name></trkpt>`;
    expect(rows(point)).toEqual([
      [
        '57.010',
        '-9.50',
        '-2.0',
        '40.1',
        '3d',
        '7',
        '1.1',
        '2',
        '3',
        'trkpt',
        'a < b',
        { localUs: Date.UTC(2015, 11, 11, 15, 43, 13, 500) * 1000, offsetMinutes: 60 },
      ],
    ]);
  });

  it('takes times as UTC, and nothing of what programs add', () => {
    const point = `<wpt lat="1" lon="2"><extensions><ele>9</ele><time>1999-01-01T00:00:00Z</time></extensions><time>2024-05-06T07:08:09</time></wpt>`;
    expect(rows(point)).toEqual([
      [
        '1',
        '2',
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        'wpt',
        null,
        { localUs: Date.UTC(2024, 4, 6, 7, 8, 9) * 1000, offsetMinutes: 0 },
      ],
    ]);
  });

  it('names its table by the program that wrote it', () => {
    const [item] = itemsOf(readWhole(gpxFormat, gpx('')), 'table');
    expect(item?.table).toMatchObject({ station: 'Trail & Co', table: 'points', attributes: { datum: 'WGS 84', gpxVersion: '1.1' } });
  });

  it.each([
    ['no time', '<rtept lat="1" lon="2"/>', 'GPX_POINT_WITHOUT_TIME'],
    ['an empty time', '<wpt lat="1" lon="2"><time/></wpt>', 'GPX_POINT_WITHOUT_TIME'],
    ['a time that is none', '<wpt lat="1" lon="2"><time>yesterday</time></wpt>', 'GPX_BAD_POINT'],
    ['a latitude beyond the pole', `<wpt lat="90.1" lon="2">${time}</wpt>`, 'GPX_BAD_POINT'],
    ['no longitude', `<wpt lat="1">${time}</wpt>`, 'GPX_BAD_POINT'],
    ['no end', `<wpt lat="1" lon="2">${time}<name>`, 'GPX_POINT_TORN'],
  ])('sets a point aside that has %s, and reads the next one', (_, point, code) => {
    const items = readWhole(gpxFormat, gpx(`${point}<wpt lat="3" lon="4">${time}</wpt>`));
    expect(codes(items)).toEqual([code]);
    expect(itemsOf(items, 'record').map(({ cells }) => cells[0])).toEqual(['3']);
  });

  it('says of a file that is none, that is empty, or that ends within a point', () => {
    expect(outline(readWhole(gpxFormat, bytesOf('<kml></kml>')))).toEqual(['GPX_NOT_GPX']);
    expect(outline(readWhole(gpxFormat, bytesOf(' \n')))).toEqual(['GPX_EMPTY']);
    expect(outline(readWhole(gpxFormat, bytesOf('<gpx><wpt lat="1" lon="2"><time>')))).toEqual(['table', 'GPX_TAIL_CUT']);
  });

  it('does not wait for the end of a point or of a text that has none', () => {
    const long = 'x'.repeat(200_000);
    const reader = gpxFormat.reader();
    expect(outline(reader.push(bytesOf(`<gpx><wpt lat="1" lon="2">${long}`)))).toEqual(['table', 'GPX_POINT_TORN', 'other', 'other']);
    expect(outline(readWhole(gpxFormat, bytesOf(long)))[0]).toBe('GPX_NOT_GPX');
  });

  it('takes time by the length of a point, also where nothing but extensions begin in it', () => {
    const point = `<trkpt lat="1" lon="2"><time>2026-01-01T00:00:00Z</time>${'<extensions>'.repeat(5400)}</trkpt>`;
    const items = readWhole(gpxFormat, bytesOf(`<gpx>${point.repeat(96)}`));
    expect(itemsOf(items, 'record')).toHaveLength(96);
  });

  const samples = sampleFolder('gpx');
  it.skipIf(samples.skip)('has the points of a real track', () => {
    const items = readWhole(gpxFormat, samples.read('track-with-less-sec-time.gpx'));
    expect(
      itemsOf(items, 'record').map(({ stamp, cells }) => [stampText(stamp.localUs), stamp.offsetMinutes, ...cells.slice(0, 3)]),
    ).toEqual([
      ['2015-12-11 15:43:13', 60, '57.011456', '9.992872', '23.5536'],
      ['2015-12-11 15:43:13.994000', 60, '57.01147', '9.992874', '23.551199'],
    ]);
  });
});

describe('files that are kept whole', () => {
  it('are named by how they begin, once, and passed over', () => {
    for (const format of keptWholeFormats) {
      const bytes = bytesOf('x'.repeat(100_000));
      const items = readWhole(format, bytes);
      expect(items.map(({ type, range }) => [type, range.length])).toEqual([
        ['defect', 8],
        ['other', 65_528],
        ['other', 34_464],
      ]);
      const resumed = format.reader({ offset: 8, state: { inRest: true } });
      expect(outline([...resumed.push(bytes.subarray(8)), ...resumed.end({ complete: true })])).toEqual(['other', 'other']);
    }
    expect(codes(keptWholeFormats.flatMap((format) => readWhole(format, new Uint8Array(0))))).toEqual([
      'HDF5_NOT_READ',
      'NETCDF_NOT_READ',
      'CDL_NOT_READ',
    ]);
  });
});
