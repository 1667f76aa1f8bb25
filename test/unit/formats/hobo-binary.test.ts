import { describe, expect, it } from 'vitest';
import { hoboBinaryFormat } from '../../../src/formats/hobo-binary/hobo-binary-format.ts';
import { bytesOf, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder } from './reading.ts';

/** A file of settings and data behind them. */
function hobo(settings: [tag: number, value: number[] | string][], data: number[] = [0xff, 0x12]): Uint8Array {
  const parts = settings.flatMap(([tag, value]) => {
    const bytes = typeof value === 'string' ? [...bytesOf(value)] : value;
    return [0x88, tag, bytes.length, ...bytes];
  });
  return Uint8Array.from([...bytesOf('HOBO'), ...parts, ...data]);
}

const samples = sampleFolder('hobo-binary');

describe.skipIf(samples.skip)('a real .hobo file', () => {
  it('is identified: model, serial number, launch, interval, zone, and no values', () => {
    const bytes = samples.read('u24_002.hobo');
    const items = readWhole(hoboBinaryFormat, bytes);
    expectTiling(items, bytes.length);
    expect(hoboBinaryFormat.sniff(bytes.subarray(0, 4096), 'a.hobo')).toBe(1);
    expect(items.map(({ type, range }) => [type, range.offset, range.length])).toEqual([
      ['table', 0, 607],
      ['other', 607, 13_153],
    ]);
    expect(itemsOf(items, 'table')[0]?.table).toEqual({
      format: 'hobo-binary',
      station: 'BBC26_21958393',
      table: 'BBC26_21958393',
      model: 'HOBO U24-002 Conductivity',
      serial: '21958393',
      attributes: {
        manufacturer: 'Onset Computer Corporation',
        launched: '2024-05-06 15:39:45',
        startDelaySeconds: '62415',
        software: 'HOBOware Pro-3.7.26_0505_1156_Windows',
        intervalSeconds: '600',
        zoneOffsetSeconds: '-14400',
        zone: 'Eastern Daylight Time',
      },
      fields: [],
    });
  });
});

describe('the header of a .hobo file', () => {
  const tableOf = (bytes: Uint8Array) => itemsOf(readWhole(hoboBinaryFormat, bytes), 'table')[0]?.table;

  it('ends where the data begin, even when they begin like a setting', () => {
    const bytes = hobo(
      [
        [0x05, 'M'],
        [0x0d, [0, 0, 0, 15]],
      ],
      [0x88, 0x06, 1, 0x41],
    );
    const items = readWhole(hoboBinaryFormat, bytes);
    expect(items.map(({ type, range }) => [type, range.length])).toEqual([
      ['table', 15],
      ['other', 4],
    ]);
    expect(tableOf(bytes)?.serial).toBe('');
    // An offset that lies before the setting itself says nothing.
    expect(
      tableOf(
        hobo([
          [0x0d, [0, 0, 0, 1]],
          [0x05, 'M'],
        ]),
      )?.model,
    ).toBe('M');
  });

  it('may hold settings that are unknown, repeated, of another length, not printable or no time', () => {
    const table = tableOf(
      hobo([
        [0x77, 'x'],
        [0x05, 'A\0\x07B '],
        [0x05, 'C'],
        [0x08, [1]],
        [0x07, [20, 24, 13, 1, 0, 0, 0]],
        [0x0a, ''],
        [0x12, [255, 255, 255, 255]],
      ]),
    );
    expect(table).toMatchObject({ model: 'AB', station: '', attributes: { zoneOffsetSeconds: '-1' } });
    expect(Object.keys(table?.attributes ?? {})).toEqual(['zoneOffsetSeconds']);
  });

  it.each([
    ['', ['HOBO_NOT_HOBO']],
    ['HOB', ['HOBO_NOT_HOBO']],
    ['HOBOware', ['HOBO_NOT_HOBO']],
    ['x'.repeat(70_000), ['HOBO_NOT_HOBO', 'other']],
  ])('is missing in %j', (text, expected) => {
    expect(outline(readWhole(hoboBinaryFormat, bytesOf(text)))).toEqual(expected);
  });

  it('may end too early, have no end, or name no logger', () => {
    expect(outline(readWhole(hoboBinaryFormat, hobo([[0x05, 'M']], [])))).toEqual(['HOBO_HEADER_CUT']);
    expect(outline(readWhole(hoboBinaryFormat, hobo([[0x05, 'M']], [0x88])))).toEqual(['HOBO_HEADER_CUT']);
    const endless = hobo(Array.from({ length: 300 }, () => [0x77, 'x'.repeat(250)] as [number, string]));
    expect(outline(readWhole(hoboBinaryFormat, endless))).toEqual(['HOBO_HEADER_CUT', 'other']);
    expect(outline(readWhole(hoboBinaryFormat, hobo([[0x06, '1']])))).toEqual(['HOBO_HEADER_MALFORMED']);
  });

  it('is read as soon as it is there, and the rest in blocks that do not depend on how the file comes', () => {
    const bytes = hobo(
      [[0x05, 'M']],
      Array.from({ length: 150_000 }, (_, index) => index % 251),
    );
    const whole = readWhole(hoboBinaryFormat, bytes);
    expect(whole.map(({ type, range }) => [type, range.offset + range.length])).toEqual([
      ['table', 8],
      ['other', 65_536],
      ['other', 131_072],
      ['other', bytes.length],
    ]);
    expect(readWhole(hoboBinaryFormat, bytes, 999)).toEqual(whole);
    expect(readGrowing(hoboBinaryFormat, bytes, [3, 8, 9, 65_535, 70_000, 131_072, 131_073])).toEqual(whole);
    const reader = hoboBinaryFormat.reader();
    reader.push(bytes.subarray(0, 65_535));
    expect(reader.position().offset).toBe(8);
    const broken = bytes.with(0, 1);
    expect(readGrowing(hoboBinaryFormat, broken, [3, 70_000])).toEqual(readWhole(hoboBinaryFormat, broken));
  });
});
