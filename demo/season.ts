import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../src/core/random.ts';
import { hobowareCsvText, toa5Text } from '../src/simulation/logger-files.ts';

/**
 * A season at a station: logger files and a folder of documents, the same every time. Rows and bytes are counted here, by what made them, so that the demonstration can compare them with
 * what arrived.
 */

const dayUs = 86_400_000_000;
const minuteUs = 60_000_000;
/** 2026-06-01 00:00 on the loggers' calendars. */
const seasonStartUs = Date.UTC(2026, 5, 1) * 1000;

/** Rows of the growing logger file, a day at a time. */
export const rowsPerDay = 1440;

function metRows(firstDay: number, days: number, withHeader: boolean): string {
  return toa5Text({
    station: 'Storbreen',
    table: 'Met_1min',
    firstLocalUs: seasonStartUs + firstDay * dayUs,
    intervalUs: minuteUs,
    rows: days * rowsPerDay,
    firstRecord: firstDay * rowsPerDay,
    seed: 20260601,
    withHeader,
  });
}

/** The growing file's text for its first days. */
export function metFile(days: number): string {
  return metRows(0, days, true);
}

/** What the logger appends on one more day. */
export function metDay(day: number): string {
  return metRows(day, 1, false);
}

/** Readings in each HOBOware export. */
export const hobowareRows = 480;
const dialects = ['bom-ampm', 'no-number-iso', 'ampm-nospace', 'german-semicolon', 'with-events-and-details'] as const;

/** Writes one export in each dialect. Returns how many readings they hold together. */
export function writeHobowareExports(directory: string): number {
  dialects.forEach((dialect, index) => {
    const text = hobowareCsvText({
      dialect,
      title: `Snow pit ${index + 1}`,
      serial: String(20_551_700 + index),
      firstLocalUs: seasonStartUs + index * dayUs,
      intervalUs: 10 * minuteUs,
      rows: hobowareRows,
      seed: index + 1,
    });
    writeFileSync(join(directory, `pit-${index + 1}-${dialect}.csv`), text);
  });
  return dialects.length * hobowareRows;
}

/** Bytes of the large file of the folder. */
export const largeBytes = 56 * 1024 * 1024;

/** The notes that are edited in two places. */
export const notes = [
  'id,site,depth_m,density,observer',
  '1,pit 1,0.4,312,KN',
  '2,pit 2,0.7,355,KN',
  '3,pit 3,1.1,390,MR',
  '4,pit 4,1.6,421,MR',
  '',
].join('\n');

/** Writes the folder that is published: a large recording, an archived logger file, notes, small files with times and modes of their own, a link. */
export function writeFolder(directory: string): void {
  const random = seededRandom(56);
  mkdirSync(join(directory, 'radar'));
  mkdirSync(join(directory, 'photos/2026'), { recursive: true });
  writeFileSync(join(directory, 'radar/line-07.bin'), random.bytes(largeBytes));
  writeFileSync(join(directory, 'met-archive.dat'), metFile(14));
  writeFileSync(join(directory, 'pit-notes.csv'), notes);
  for (let index = 0; index < 24; index++) {
    const path = join(directory, `photos/2026/IMG_${1000 + index}.jpg`);
    writeFileSync(path, random.bytes(2000 + random.below(30_000)));
    utimesSync(path, 1_780_000_000 + index * 61.25, 1_780_000_000 + index * 61.25);
  }
  writeFileSync(join(directory, 'run-pump.sh'), '#!/bin/sh\nexit 0\n');
  chmodSync(join(directory, 'run-pump.sh'), 0o755);
  writeFileSync(join(directory, 'empty.txt'), '');
  symlinkSync('pit-notes.csv', join(directory, 'latest-notes.csv'));
}

/** SHA-256 of bytes, for comparing. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
