/**
 * Logger unit text to UDUNITS, the notation CF asks for.
 *
 * Loggers do not have a unit language: the text is whatever the person who wrote the program typed. Two steps cover what is common. A whole text may be a known spelling
 * (`Deg C`, `%RH`). Otherwise it is read as a product of known symbols with exponents (`W/m^2`, `umol m-2 s-1`). Whatever does not come out whole is not guessed at: the caller keeps
 * it as found, because a wrong unit is worse than none.
 *
 * Source: UDUNITS-2 unit database; CF-1.11 section 3.1. The loggers' readings win where the two disagree: `C` is a degree Celsius here and not a coulomb, `F` not a farad.
 */

/** Spellings of a whole unit text. Keys are as `normalised` leaves them, in lower case. */
const unitBySpelling: ReadonlyMap<string, string> = new Map(
  Object.entries({
    degree_Celsius: [
      'c',
      'degc',
      'deg c',
      'deg_c',
      'deg.c',
      'degrees c',
      'degreesc',
      'degrees celsius',
      'degree celsius',
      'celsius',
      '°c',
      '° c',
    ],
    degree_Fahrenheit: ['f', 'degf', 'deg f', 'deg_f', 'degrees f', 'degrees fahrenheit', 'fahrenheit', '°f', '° f'],
    kelvin: ['degk', 'deg k', 'kelvin', 'kelvins', '°k'],
    '%': ['percent', 'pct', '%rh', '% rh', 'rh%', 'rh %', '%vwc', '% vwc'],
    degree: ['deg', 'degs', 'degree', 'degrees', '°', 'deg true', 'degt', 'degrees true', 'compass degrees', 'deg n'],
    'm3 m-3': ['fraction_v_v', 'fraction v/v'],
    '1': ['unitless', 'dimensionless', 'fraction', 'ratio', 'count', 'counts', 'cnts', 'cts', 'pulses', 'ph', 'psu', 'pss'],
    '1e-6': ['ppm', 'umol/mol', 'umol mol-1'],
    '1e-9': ['ppb', 'nmol/mol', 'nmol mol-1'],
    '1e-3': ['mmol/mol', 'mmol mol-1'],
    'mile hour-1': ['mph', 'miles/hour', 'miles per hour'],
    'km h-1': ['kph', 'kmh'],
    'foot3 s-1': ['cfs'],
    'foot3 min-1': ['cfm'],
    'gallon min-1': ['gpm'],
    'm s-1': ['mps', 'meters/second', 'metres/second', 'meters per second', 'metres per second'],
    'W m-2': ['wm-2', 'wm^-2'],
    inHg: ['in hg', 'inhg', 'inches hg'],
    mmHg: ['mm hg', 'mmhg', 'torr'],
  }).flatMap(([unit, spellings]) => spellings.map((spelling) => [spelling, unit] as const)),
);

/** Symbols that may stand in a product, where case tells them apart (`m` and `M`, `mm` and `Mm`). */
const unitBySymbol: ReadonlyMap<string, string> = new Map(
  [
    ...[
      'm',
      'mm',
      'cm',
      'dm',
      'km',
      'um',
      'nm',
      'g',
      'kg',
      'mg',
      'ug',
      'ng',
      's',
      'ms',
      'us',
      'h',
      'd',
      'K',
      'mol',
      'mmol',
      'umol',
      'nmol',
    ],
    ...[
      'A',
      'mA',
      'uA',
      'V',
      'mV',
      'uV',
      'kV',
      'W',
      'mW',
      'kW',
      'J',
      'kJ',
      'MJ',
      'N',
      'Pa',
      'hPa',
      'kPa',
      'MPa',
      'bar',
      'mbar',
      'Hz',
      'kHz',
      'MHz',
    ],
    ...['S', 'mS', 'uS', 'dS', 'l', 'L', 'ml', 'mL', 'uL', 'ha', 'lx', 'klx', 'rad', 'mrad', 'psi', 'atm', 'ft', 'yd', '%'],
  ].map((symbol) => [symbol, symbol] as const),
);

/** Words and abbreviations that may stand in a product in any case. */
const unitByWord: ReadonlyMap<string, string> = new Map(
  Object.entries({
    m: ['meter', 'meters', 'metre', 'metres'],
    mm: ['millimeter', 'millimeters', 'millimetre', 'millimetres'],
    cm: ['centimeter', 'centimeters', 'centimetre', 'centimetres'],
    km: ['kilometer', 'kilometers', 'kilometre', 'kilometres'],
    inch: ['in', 'inch', 'inches'],
    foot: ['feet', 'foot'],
    mile: ['mile', 'miles'],
    s: ['sec', 'secs', 'second', 'seconds'],
    ms: ['msec', 'millisecond', 'milliseconds'],
    min: ['min', 'mins', 'minute', 'minutes'],
    hour: ['hr', 'hrs', 'hour', 'hours'],
    day: ['day', 'days'],
    year: ['yr', 'year', 'years'],
    V: ['volt', 'volts', 'vdc'],
    mV: ['millivolt', 'millivolts', 'mvolts'],
    A: ['amp', 'amps', 'ampere', 'amperes'],
    mA: ['milliamp', 'milliamps'],
    W: ['watt', 'watts'],
    kW: ['kilowatt', 'kilowatts'],
    ohm: ['ohm', 'ohms', 'ω'],
    kohm: ['kohm', 'kohms', 'kω'],
    hertz: ['hertz'],
    Pa: ['pascal', 'pascals'],
    hPa: ['hpa'],
    kPa: ['kpa'],
    mbar: ['mbar', 'millibar', 'millibars', 'mb'],
    dbar: ['dbar', 'decibar', 'decibars'],
    L: ['liter', 'liters', 'litre', 'litres'],
    lx: ['lux'],
    knot: ['knot', 'knots', 'kt', 'kts', 'kn'],
    gallon: ['gal', 'gallon', 'gallons'],
    mol: ['mole', 'moles'],
    degree: ['deg', 'degree', 'degrees', '°'],
  }).flatMap(([unit, words]) => words.map((word) => [word, unit] as const)),
);

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** One spelling for what looks alike: micro signs, superscripts, signs for a power or a product, runs of spaces. */
function normalised(text: string): string {
  return text
    .replace(/[µμ]/g, 'u')
    .replace(/⁻/g, '-')
    .replace(/[⁰¹²³⁴-⁹]/g, (digit) => String(superscripts.indexOf(digit)))
    .replace(/º/g, '°')
    .replace(/\*\*/g, '^')
    .replace(/[·⋅*]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** A symbol and its exponent: `m`, `m2`, `m^2`, `s-1`. */
const factorPattern = /^([^\d^-]+)(?:\^?(-?[1-9]))?$/;

function factor(text: string, sign: 1 | -1): string | undefined {
  const match = factorPattern.exec(text);
  if (match === null) return undefined;
  const symbol = match[1] as string;
  const unit = unitBySymbol.get(symbol) ?? unitByWord.get(symbol.toLowerCase());
  if (unit === undefined) return undefined;
  const exponent = sign * Number(match[2] ?? 1);
  return exponent === 1 ? unit : `${unit}${exponent}`;
}

/**
 * The UDUNITS text for a unit as a logger writes it, or `undefined` when it is empty or not known.
 *
 * @example
 * udunits('W/m²'); // 'W m-2'
 * udunits('Deg C'); // 'degree_Celsius'
 */
export function udunits(loggerUnit: string): string | undefined {
  const text = normalised(loggerUnit);
  const whole = unitBySpelling.get(text.toLowerCase());
  if (whole !== undefined) return whole;
  const units: string[] = [];
  for (const [index, part] of text.split('/').entries()) {
    const factors = part.trim().split(' ');
    // A divisor is one factor: whether `s` divides in `W/m2 s` is anybody's guess.
    if (index > 0 && factors.length > 1) return undefined;
    if (index === 0 && part.trim() === '1') continue;
    for (const text of factors) {
      const unit = factor(text, index === 0 ? 1 : -1);
      if (unit === undefined) return undefined;
      units.push(unit);
    }
  }
  return units.length === 0 ? undefined : units.join(' ');
}
