import { expect, it } from 'vitest';
import { udunits } from '../../../../src/formats/netcdf/cf-units.ts';

function expectUnits(unitByText: Readonly<Record<string, string>>): void {
  for (const [text, unit] of Object.entries(unitByText)) expect(udunits(text), text).toBe(unit);
}

it('knows the spellings of whole units that loggers are given', () => {
  expectUnits({
    'Deg C': 'degree_Celsius',
    degC: 'degree_Celsius',
    '°C': 'degree_Celsius',
    'º C': 'degree_Celsius',
    C: 'degree_Celsius',
    '°F': 'degree_Fahrenheit',
    '%RH': '%',
    '% ': '%',
    Volts: 'V',
    unitless: '1',
    Deg: 'degree',
    'meters/second': 'm s-1',
    MPH: 'mile hour-1',
  });
});

it('takes products and quotients apart, however powers and products are written', () => {
  expectUnits({
    'W/m²': 'W m-2',
    'W/m^2': 'W m-2',
    'W m**-2': 'W m-2',
    'W·m⁻²': 'W m-2',
    'umol/m²/s': 'umol m-2 s-1',
    'μmol m-2 s-1': 'umol m-2 s-1',
    'µS/cm': 'uS cm-1',
    'm³/m³': 'm3 m-3',
    'mg / L': 'mg L-1',
    'kg*m-3': 'kg m-3',
    '1/min': 'min-1',
  });
});

it('tells symbols that differ in case alone apart, and reads words in any case', () => {
  expectUnits({ mS: 'mS', ms: 'ms', kpa: 'kPa', MBAR: 'mbar', 'METERS/Sec': 'm s-1' });
});

it('does not guess: what is not known whole stays unknown', () => {
  for (const text of ['', ' ', 'NTU', 'RN', 'TS', 'm/furlong', 'W/m2 s', '1', '/', 'm//s', 'm^', 'ppt', 'ML', 'MS', 'samples']) {
    expect(udunits(text), text).toBeUndefined();
  }
});
