import { concatBytes } from '../../../src/core/bytes.ts';
import { latin1 } from './reading.ts';

/** Makes small files in Campbell's formats, valid unless a test makes them otherwise. */

/** 2023-05-01 00:00:00 in seconds since 1990. */
export const may2023Seconds = 1_051_747_200;

function quotedLine(cells: readonly string[]): string {
  return `${cells.map((cell) => `"${cell}"`).join(',')}\r\n`;
}

/** Little-endian 32-bit integers one behind the other. */
export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return bytes;
}

/** An FP2 with one decimal place. */
export function tenths(integer: number): Uint8Array {
  return Uint8Array.of(0x20 | (integer >> 8), integer & 0xff);
}

/** Bytes of a text padded with zeros. */
export function padded(text: string, length: number): Uint8Array {
  return concatBytes(latin1(text), new Uint8Array(length - text.length));
}

/** Cells of the header lines of the small TOB1 file; a test changes what it is about. */
export const tob1Cells = {
  environment: ['TOB1', 'Ridge', 'CR1000', '77', 'CR1000.Std.32', 'CPU:met.CR1', '4062', 'Ten'],
  names: ['SECONDS', 'NANOSECONDS', 'RECORD', 'AirT_Avg', 'Note'],
  units: ['SECONDS', 'NANOSECONDS', 'RN', 'Deg C', ''],
  processing: ['', '', '', 'Avg', 'Smp'],
  types: ['ULONG', 'ULONG', 'ULONG', 'FP2', 'ASCII(6)'],
};

/** A TOB1 header of these cells. */
export function tob1Header(cells: Partial<typeof tob1Cells> = {}): Uint8Array {
  const { environment, names, units, processing, types } = { ...tob1Cells, ...cells };
  return latin1([environment, names, units, processing, types].map(quotedLine).join(''));
}

/** One record of the small TOB1 file: every ten minutes from 2023-05-01 00:00. */
export function tob1Record(number: number, note = 'ok'): Uint8Array {
  return concatBytes(words(may2023Seconds + 600 * number, 0, number), tenths(100 + number), padded(note, 6));
}

/** A whole small TOB1 file. */
export function tob1File(records: number, header = tob1Header()): Uint8Array {
  return concatBytes(header, ...Array.from({ length: records }, (_, number) => tob1Record(number)));
}

/** Cells of the header lines of the small TOB3 file: records of 6 bytes, frames of 40 bytes with four of them. */
export const tob3Cells = {
  environment: ['TOB3', 'Ridge', 'CR1000', '77', 'CR1000.Std.32', 'CPU:met.CR1', '4062', '2023-05-01 00:00:00'],
  framing: ['Fast', '250 MSEC', '40', '400', '4711', 'Sec100Usec', '           0', '           0', '0138003847'],
  names: ['AirT', 'Wind'],
  units: ['Deg C', 'm/s'],
  processing: ['Smp', 'Smp'],
  types: ['FP2', 'UINT4'],
};

/** The validation stamp and the frame size of the small TOB3 file. */
export const tob3Stamp = 4711;
export const tob3FrameBytes = 40;

/** A TOB3 header of these cells. */
export function tob3Header(cells: Partial<typeof tob3Cells> = {}): Uint8Array {
  const { environment, framing, names, units, processing, types } = { ...tob3Cells, ...cells };
  return latin1([environment, framing, names, units, processing, types].map(quotedLine).join(''));
}

/** Flags of a footer. */
export const emptyFlag = 0x2000;
export const dividedFlag = 0x4000;

/** A footer of a TOB3 frame. */
export function tob3Footer(length = 0, flags = 0, stamp = tob3Stamp): Uint8Array {
  return words(((stamp << 16) | flags | length) >>> 0);
}

/** The header of a frame of the small file and its records, from record `first` on, four a second from 2023-05-01 00:00. */
export function tob3Body(first: number, count: number): Uint8Array {
  const header = words(may2023Seconds + Math.floor(first / 4), (first % 4) * 2500, first);
  const records = Array.from({ length: count }, (_, index) => concatBytes(tenths(first + index), Uint8Array.of(0, 0, 0, first + index)));
  return concatBytes(header, ...records);
}

/** A full frame of four records. */
export function tob3Frame(first: number, stamp = tob3Stamp): Uint8Array {
  return concatBytes(tob3Body(first, 4), tob3Footer(0, 0, stamp));
}

/** A minor frame within a frame. */
export function tob3MinorFrame(first: number, count: number, stamp = tob3Stamp): Uint8Array {
  const body = tob3Body(first, count);
  return concatBytes(body, tob3Footer(body.length + 4, 0, stamp));
}

/** A frame of `frameBytes` that holds minor frames and unused space behind them. */
export function tob3DividedFrame(frameBytes: number, minorFrames: readonly Uint8Array[], flags = dividedFlag): Uint8Array {
  const used = concatBytes(...minorFrames);
  const unusedBytes = frameBytes - used.length;
  return concatBytes(used, new Uint8Array(unusedBytes - 4).fill(0x55), tob3Footer(unusedBytes, flags));
}

/** What lay on the card before. */
export function tob3Residue(seed: number, frameBytes = tob3FrameBytes): Uint8Array {
  return Uint8Array.from({ length: frameBytes }, (_, index) => (index * 37 + seed * 91) & 0xff);
}

/** A TOACI1 file of that many rows. */
export function toaci1Text(rows: number): string {
  const lines = Array.from({ length: rows }, (_, index) => `"2023-05-01 00:${10 + index}:00",${index},${index}.50,7999\r\n`);
  return `"TOACI1","Ridge","Hourly"\r\n"TMSTAMP","RECNBR","AirT","Depth"\r\n${lines.join('')}`;
}

/** A CSIXML document of that many records. */
export function csixmlText(records: number, table = 'Ten'): string {
  const lines = Array.from(
    { length: records },
    (_, index) => `    <r no="${index}" time="2023-05-01T00:${10 + index}:00"><v1>${index}.50</v1><v2>NAN</v2><v3>a &lt; b</v3></r>\r\n`,
  );
  return `<?xml version="1.0" standalone="yes"?>\r\n<csixml version="1.0">\r\n  <head>\r\n    <environment>\r\n      <station-name>Ridge</station-name>
      <table-name>${table}</table-name><model>CR1000</model><serial-no>77</serial-no><os-version>CR1000.Std.32</os-version>
      <dld-name>CPU:met.CR1</dld-name><dld-sig>4062</dld-sig>\r\n    </environment>\r\n    <fields>
      <field name="AirT" process="Avg" type="xsd:float" units="&#176;C" />\r\n      <field name="RH" process="Smp" type="xsd:float" units="%" />
      <field name="Note" process="Smp" type="xsd:string" units=""/>\r\n    </fields>\r\n  </head >\r\n  <data>\r\n${lines.join('')}  </data>\r\n</csixml>\r\n`;
}

/** The head of a CSIJSON answer. */
export const csijsonHead = {
  transaction: 0,
  signature: 4062,
  environment: {
    station_name: 'Ridge',
    table_name: 'Ten',
    model: 'CR1000',
    serial_no: '77',
    os_version: 'CR1000.Std.32',
    prog_name: 'CPU:met.CR1',
  },
  fields: [
    { name: 'AirT', type: 'xsd:float', units: 'Deg C', process: 'Avg', settable: false },
    { name: 'Note', type: 'xsd:string', units: '', process: 'Smp', settable: false },
  ],
};

/** A CSIJSON answer of that many records. */
export function csijsonText(records: number, head: object = csijsonHead): string {
  const data = Array.from(
    { length: records },
    (_, index) => `{"no": ${index}, "time": "2023-05-01T00:${10 + index}:00", "vals": [${index}.50, "NAN"]}`,
  );
  return `{\n "head": ${JSON.stringify(head)},\n "data": [\n  ${data.join(',\n  ')}\n ],\n "more": false\n}\n`;
}
