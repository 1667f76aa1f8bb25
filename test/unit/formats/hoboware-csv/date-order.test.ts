import { describe, expect, it } from 'vitest';
import {
  DateOrderEvidence,
  parseDateOrders,
  preferredDateOrders,
  readStamp,
  stampUs,
  type WrittenStamp,
} from '../../../../src/formats/hoboware-csv/date-order.ts';
import { latin1, stampText } from '../reading.ts';

function written(text: string): WrittenStamp {
  const bytes = latin1(text);
  const stamp = readStamp(bytes, [0, bytes.length]);
  if (!stamp) throw new Error(`${text} was not read`);
  return stamp;
}

function evidence(...texts: readonly string[]): DateOrderEvidence {
  const gathered = new DateOrderEvidence();
  for (const text of texts) gathered.add(written(text));
  return gathered;
}

describe('a date and time as HOBOware writes it', () => {
  it.each([
    ['05/06/09 11:04:53 AM', 'mdy', '2009-05-06 11:04:53'],
    ['05/06/09 11:04:54.5 AM', 'mdy', '2009-05-06 11:04:54.500000'],
    ['05/06/09 11:04:54,25', 'mdy', '2009-05-06 11:04:54.250000'],
    ['05/06/09 11:04:54.1234567', 'mdy', '2009-05-06 11:04:54.123456'],
    ['05/06/09 12:00:00 AM', 'mdy', '2009-05-06 00:00:00'],
    ['05/06/09 12:00:00 PM', 'mdy', '2009-05-06 12:00:00'],
    ['05/06/09 01:00:00PM', 'mdy', '2009-05-06 13:00:00'],
    ['05/06/09 01:00:00  pm', 'mdy', '2009-05-06 13:00:00'],
    ['05/06/09 01:00:00 p.m.', 'mdy', '2009-05-06 13:00:00'],
    ['09/05/06 23:59:59', 'ymd', '2009-05-06 23:59:59'],
    ['2009/05/06 00:00:00', 'ymd', '2009-05-06 00:00:00'],
    ['2009-05-06 00:00:00', 'ymd', '2009-05-06 00:00:00'],
    ['06.05.09 13:00:00', 'dmy', '2009-05-06 13:00:00'],
    ['06.05.2009 13:00', 'dmy', '2009-05-06 13:00:00'],
    ['5/6/2009 0:01', 'mdy', '2009-05-06 00:01:00'],
    ['05/06/68 00:00:00', 'mdy', '2068-05-06 00:00:00'],
    ['05/06/99 00:00:00', 'mdy', '1999-05-06 00:00:00'],
  ] as const)('%s, read as %s, is %s', (text, order, expected) => {
    expect(stampText(stampUs(written(text), order) ?? Number.NaN)).toBe(expected);
  });

  it.each([
    '',
    'Details',
    '05/06/09',
    '05/06/09 11',
    '05/06/09 11:00:00 XM',
    '05/06/09 11:00:00 A',
    '05/06/09 11:00:00 AM x',
    '05/06/09 13:00:00 PM',
    '05/06/09 00:00:00 AM',
    '05/06/09 24:00:00',
    '05/06/09 11:60',
    '05/06/09 11:00:60',
    '05/06/09 11:00:00.',
    '05/06-09 11:00',
    '05:06:09 11:00',
    '5/006/09 11:00',
    '05//09 11:00',
    '1234567890/05/06 11:00',
    '05/06/09 :00',
  ])('%j is none', (text) => {
    const bytes = latin1(text);
    expect(readStamp(bytes, [0, bytes.length])).toBeUndefined();
  });

  it('may be in two cells, each of which must be whole', () => {
    const bytes = latin1('05/06/09,01:00:00 PM');
    expect(stampUs(readStamp(bytes, [0, 8], [9, 20])!, 'mdy')).toBe(Date.UTC(2009, 4, 6, 13) * 1000);
    expect(readStamp(latin1('05/06/09x,01:00'), [0, 9], [10, 15])).toBeUndefined();
  });

  it('is none in an order that its digits or its numbers forbid', () => {
    expect(stampUs(written('13/05/09 0:00'), 'mdy')).toBeUndefined();
    expect(stampUs(written('2009/05/06 0:00'), 'dmy')).toBeUndefined();
    expect(stampUs(written('05/06/2009 0:00'), 'ymd')).toBeUndefined();
    expect(stampUs(written('005/06/09 0:00'), 'mdy')).toBeUndefined();
    expect(stampUs(written('05/06/009 0:00'), 'mdy')).toBeUndefined();
  });
});

describe('the order of day, month and year', () => {
  it('is known at once with a year of four digits in front, or a field over 31', () => {
    expect(evidence('2017/07/26 17:00:00').decided).toBe('ymd');
    expect(evidence('99/07/06 17:00:00').decided).toBe('ymd');
  });

  it('is settled by the first field over 12', () => {
    expect(evidence('05/06/2009 1:00').decided).toBeUndefined();
    expect(evidence('05/06/2009 1:00', '05/13/2009 1:00').decided).toBe('mdy');
    expect(evidence('05/06/2009 1:00', '13/06/2009 1:00').decided).toBe('dmy');
    expect(evidence('05/06/2009 1:00', '13/06/2009 1:00').possible).toEqual(['dmy']);
  });

  it('is settled by neighbours on two sides of midnight', () => {
    expect(evidence('05/06/09 23:50:00', '05/07/09 00:00:00').decided).toBe('mdy');
    expect(evidence('05/06/09 23:50:00', '06/06/09 00:00:00').decided).toBe('dmy');
    expect(evidence('05/06/09 23:50:00', '05/06/10 00:00:00').decided).toBe('ymd');
    expect(evidence('18/05/06 23:50:00', '18/05/07 00:00:00').decided).toBe('ymd');
    expect(evidence('05/06/09 23:50:00', '05/07/09 00:00:00').possible).toEqual(['mdy', 'dmy', 'ymd']);
  });

  it('stays open while the date stays the same, or when rows are days apart', () => {
    expect(evidence('05/06/09 22:50:00', '05/06/09 23:50:00').decided).toBeUndefined();
    expect(evidence('05/06/09 12:00:00', '06/06/09 18:00:00').decided).toBeUndefined();
  });

  it('takes no notice of a stamp that is impossible in every order', () => {
    const gathered = evidence('05/06/2009 1:00', '13/06/2009 1:00');
    gathered.add(written('32/13/2009 1:00'));
    expect(gathered.possible).toEqual(['dmy']);
  });

  it('follows proof where neighbours had suggested something else', () => {
    const gathered = evidence('05/06/09 23:50:00', '05/07/09 00:00:00', '13/07/09 00:00:00');
    expect(gathered.decided).not.toBe('mdy');
    expect(gathered.possible).toEqual(['dmy', 'ymd']);
  });

  it('is otherwise the first of the preferred ones that the dates allow', () => {
    expect(evidence('05/06/09 1:00').best(['mdy', 'dmy', 'ymd'])).toBe('mdy');
    expect(evidence('05/06/09 1:00').best(['dmy', 'mdy', 'ymd'])).toBe('dmy');
    expect(evidence('18/06/09 1:00').best(['mdy', 'dmy', 'ymd'])).toBe('dmy');
    expect(evidence('99/06/09 1:00').best(['mdy', 'dmy'])).toBe('ymd');
  });

  it('prefers the month first, and the day first where the dialect is European', () => {
    const american = { english: true, semicolons: false };
    expect(preferredDateOrders(written('05/06/09 1:00'), american)[0]).toBe('mdy');
    expect(preferredDateOrders(undefined, american)[0]).toBe('mdy');
    expect(preferredDateOrders(written('05.06.09 1:00'), american)[0]).toBe('dmy');
    expect(preferredDateOrders(written('05/06/09 1:00'), { english: false, semicolons: false })[0]).toBe('dmy');
    expect(preferredDateOrders(written('05/06/09 1:00'), { english: true, semicolons: true })[0]).toBe('dmy');
    expect(preferredDateOrders(written('05.06.09 1:00:00 PM'), { english: false, semicolons: true })[0]).toBe('mdy');
  });

  it('is kept as text', () => {
    expect(parseDateOrders(evidence('05/06/2009 1:00').possible.join(' '))).toEqual(['mdy', 'dmy']);
    expect(parseDateOrders('nothing')).toEqual([]);
  });
});
