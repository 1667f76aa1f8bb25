import { describe, expect, it } from 'vitest';
import { recordFormats } from '../../../src/formats/record-formats.ts';
import { sampleFolder } from './reading.ts';

/** Which format each real file is of. Formats that only look like others (a logger's text beside a CSV) are the point. */
const formatByFile: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  toa5: { 'cr3000_grow1.dat': 'toa5', 'hourly.dat': 'toa5' },
  toaci1: { 'site56_hourly.dat': 'toaci1' },
  'mixed-array': { 'cr23_grow2.dat': 'mixed-array', 'mixed_array_10.dat': 'mixed-array' },
  tob1: { 'full16.tob1.dat': 'tob1', 'full16.cardconvert.toa5.dat': 'toa5' },
  tob3: { 'long19.tob3.dat': 'tob3' },
  csixml: { 'toxx_doc_example.xml': 'csixml' },
  csijson: { 'cr6_since_record.json': 'csijson' },
  'hoboware-csv': { 'charlies_air.csv': 'hoboware-csv', 'cond_ampm_nospace.csv': 'hoboware-csv', 'russwood_do.csv': 'hoboware-csv' },
  hoboconnect: { 'mx_combined.csv': 'hoboconnect', 'mx_do.xlsx': 'hoboconnect-xlsx' },
  'hobo-binary': { 'u24_002.hobo': 'hobo-binary' },
  'seabird-cnv': { 'pira001.cnv': 'seabird-cnv', 'hotin.cnv': 'seabird-cnv' },
  'pme-minidot': { 'minidot_2019-12-13.txt': 'minidot' },
  ameriflux: { 'AMF_US-CRT_BASE_HH_2-5.csv': 'ameriflux' },
};

describe.each(Object.entries(formatByFile))('real files of %s', (folder, expected) => {
  const samples = sampleFolder(folder);

  it.skipIf(samples.skip)('are recognised among all formats, and by one of them best', () => {
    for (const [name, id] of Object.entries(expected)) {
      const head = samples.read(name).subarray(0, 4096);
      const ranked = recordFormats
        .map((format) => ({ id: format.id, confidence: format.sniff(head, name) }))
        .sort((a, b) => b.confidence - a.confidence);
      expect([name, ranked[0]?.id]).toEqual([name, id]);
      expect(ranked[0]?.confidence).toBeGreaterThan(ranked[1]?.confidence ?? 0);
    }
  });
});

it('has every format once', () => {
  expect(new Set(recordFormats.map((format) => format.id)).size).toBe(recordFormats.length);
});
