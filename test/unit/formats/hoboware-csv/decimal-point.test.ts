import { describe, expect, it } from 'vitest';
import { decimalPoint } from '../../../../src/formats/hoboware-csv/decimal-point.ts';

describe('the decimal point', () => {
  it.each([
    ['22,50', '22.50'],
    ['-0,50', '-0.50'],
    ['1.234,5', '1234.5'],
    ['1.234.567,5', '1234567.5'],
    ['1,234.5', '1234.5'],
    ['+1,234,567.50', '+1234567.50'],
    ['22.5', '22.5'],
    ['22', '22'],
    ['', ''],
    ['1,2,3', '1,2,3'],
    ['1.2,3.4', '1.2,3.4'],
    ['22,', '22,'],
    ['a,b', 'a,b'],
    ['5-6,7', '5-6,7'],
  ])('of %j gives %j where a comma may be decimal', (text, expected) => {
    expect(decimalPoint(text, true)).toBe(expected);
  });

  it('leaves a single comma alone where commas separate cells', () => {
    expect(decimalPoint('1,234', false)).toBe('1,234');
    expect(decimalPoint('1,234.5', false)).toBe('1234.5');
  });
});
