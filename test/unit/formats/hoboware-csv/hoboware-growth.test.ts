import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { hobowareCsvFormat } from '../../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import { type HobowareDialectName, hobowareCsvText } from '../../../../src/simulation/logger-files.ts';
import { bytesOf, latin1, outline, readGrowing, readWhole } from '../reading.ts';

const made = { title: 'Creek', serial: '1', firstLocalUs: Date.UTC(2023, 4, 1, 23) * 1000, intervalUs: 36e8 / 2, rows: 6, seed: 5 };
const header = '"Plot Title: Creek"\n"Date Time, GMT-06:00","Temp, °C"\n';

function everyLength(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length }, (_, index) => index + 1);
}

describe('a HOBOware export that grows', () => {
  it.each(['bom-ampm', 'no-number-iso', 'ampm-nospace', 'german-semicolon', 'with-events-and-details'] as HobowareDialectName[])(
    '%s gives the same items when it is read again after every byte',
    (dialect) => {
      const bytes = bytesOf(hobowareCsvText({ ...made, dialect }));
      expect(readGrowing(hobowareCsvFormat, bytes, everyLength(bytes))).toEqual(readWhole(hobowareCsvFormat, bytes));
    },
  );

  it('gives the same items with headers, titles and defects in mid-file', () => {
    const bytes = bytesOf(
      `x\ny\nz\n${header}05/16/09 1:00,1\nbad\n${header}05/16/09 2:00,1\n"Plot Title: lone"\n05/16/09 3:00,1\n${header.replace('°C', '°F')}05/06/09 4:00,1\n`,
    );
    const whole = readWhole(hobowareCsvFormat, bytes);
    expect(readGrowing(hobowareCsvFormat, bytes, everyLength(bytes))).toEqual(whole);
    expect(
      outline(whole)
        .filter((kind) => kind !== 'record')
        .join(' '),
    ).toBe(
      'HOBOWARE_NO_HEADER HOBOWARE_ROW_WITHOUT_TABLE HOBOWARE_ROW_WITHOUT_TABLE table HOBOWARE_BAD_STAMP other HOBOWARE_BAD_STAMP table',
    );
  });

  it('keeps rows pending whose date order is open, and a title without headings', () => {
    const reader = hobowareCsvFormat.reader();
    const title = '"Plot Title: Creek"\n';
    expect(reader.push(latin1(title))).toEqual([]);
    expect(reader.position()).toEqual({ offset: 0 });
    const bytes = bytesOf(header);
    expect(outline(reader.push(bytes.subarray(title.length)))).toEqual(['table']);
    expect(reader.push(latin1('05/06/09 1:00,1\n'))).toEqual([]);
    expect(reader.end({ complete: false })).toEqual([]);
    expect(reader.position().offset).toBe(bytes.length);
    expect(outline(reader.push(latin1('05/16/09 1:00,1\n')))).toEqual(['record', 'record']);
    expect(reader.position().state).toMatchObject({ dateOrder: 'mdy', possibleDateOrders: 'mdy' });
  });

  it('remembers which orders the dates had left when it is read on', () => {
    const rows = '05/06/2009 11:00:00,1.5\n'.repeat(Math.ceil((8 * limits.instrumentLineBytesMax) / 88));
    const onlyBad = '2009/06/13 11:00:00,1.5\n';
    const bytes = bytesOf(`${header}${rows}${onlyBad}13/06/2009 11:00:00,1.5\n05/06/2009 11:00:00,1.5\n`);
    const whole = outline(readWhole(hobowareCsvFormat, bytes));
    expect(whole.slice(-4)).toEqual(['record', 'HOBOWARE_BAD_STAMP', 'HOBOWARE_DATE_ORDER', 'HOBOWARE_ROW_WITHOUT_TABLE']);
    for (const cut of [10, 24, 30, 48, 60, 72]) {
      expect(outline(readGrowing(hobowareCsvFormat, bytes, [bytes.length - cut]))).toEqual(whole);
    }
  });

  it('goes on inside a line that was too long', () => {
    const long = 'x'.repeat(limits.instrumentLineBytesMax + 50);
    const bytes = bytesOf(`${header}05/16/09 1:00,1\n${long}\n05/16/09 2:00,1\n`);
    const whole = readWhole(hobowareCsvFormat, bytes);
    expect(outline(whole)).toEqual(['table', 'record', 'HOBOWARE_LINE_TOO_LONG', 'HOBOWARE_LINE_TOO_LONG', 'record']);
    expect(readGrowing(hobowareCsvFormat, bytes, [bytes.length - 30])).toEqual(whole);
  });

  it('comes back to the beginning of the waiting rows, and not into the long line behind them', () => {
    const long = 'x'.repeat(limits.instrumentLineBytesMax + 50);
    const bytes = bytesOf(`${header}05/06/09 1:00,1\n${long}\n05/16/09 2:00,1\n`);
    const whole = readWhole(hobowareCsvFormat, bytes);
    expect(outline(whole)).toEqual(['table', 'record', 'HOBOWARE_LINE_TOO_LONG', 'HOBOWARE_LINE_TOO_LONG', 'record']);
    expect(readGrowing(hobowareCsvFormat, bytes, [bytes.length - 30])).toEqual(whole);
  });
});
