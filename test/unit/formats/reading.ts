import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { civilTime } from '../../../src/formats/civil-time.ts';
import type { ParsedItem, ReaderPosition, RecordFormat } from '../../../src/formats/record-stream.ts';

/** Items of one type. */
export type Item<T extends ParsedItem['type']> = Extract<ParsedItem, { type: T }>;

/** Bytes of a text that holds nothing beyond Latin-1, one byte a character. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Reads a whole file that will not grow. */
export function readWhole(format: RecordFormat, bytes: Uint8Array, pushBytes = bytes.length): ParsedItem[] {
  const reader = format.reader();
  const items: ParsedItem[] = [];
  for (let at = 0; at < bytes.length; at += pushBytes) items.push(...reader.push(bytes.subarray(at, at + pushBytes)));
  items.push(...reader.end({ complete: true }));
  expect(reader.position().offset).toBe(bytes.length);
  return items;
}

/** Reads a file as it grows: at each of the lengths a new reader goes on where the last one stopped, with a position that has been to the catalog and back. */
export function readGrowing(format: RecordFormat, bytes: Uint8Array, lengths: readonly number[]): ParsedItem[] {
  const items: ParsedItem[] = [];
  let position: ReaderPosition = { offset: 0 };
  for (const length of lengths) {
    const reader = format.reader(position);
    items.push(...reader.push(bytes.subarray(position.offset, length)));
    items.push(...reader.end({ complete: false }));
    position = JSON.parse(JSON.stringify(reader.position()));
  }
  const last = format.reader(position);
  items.push(...last.push(bytes.subarray(position.offset)), ...last.end({ complete: true }));
  return items;
}

/** Fails unless the items' ranges follow each other without gap or overlap from the beginning to `length`. */
export function expectTiling(items: readonly ParsedItem[], length: number): void {
  let at = 0;
  for (const { range } of items) {
    if (range.offset !== at || range.length < 0) expect.fail(`an item at ${range.offset}, ${range.length} long, where ${at} was expected`);
    at += range.length;
  }
  expect(at).toBe(length);
}

export function itemsOf<T extends ParsedItem['type']>(items: readonly ParsedItem[], type: T): Item<T>[] {
  return items.filter((item): item is Item<T> => item.type === type);
}

/** Codes of the defects, in their order. */
export function codes(items: readonly ParsedItem[]): string[] {
  return itemsOf(items, 'defect').map(({ code }) => code);
}

/** The items in short: `table`, `record`, or a defect's code. */
export function outline(items: readonly ParsedItem[]): string[] {
  return items.map((item) => (item.type === 'defect' ? item.code : item.type));
}

/** How many items there are of each type, defects by their code. */
export function counts(items: readonly ParsedItem[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const kind of outline(items)) found[kind] = (found[kind] ?? 0) + 1;
  return found;
}

/** A stamp as text: `2021-06-18 20:00:00`, with six decimals where it has a fraction. */
export function stampText(localUs: number): string {
  const { year, month, day, hour, minute, second, microsecond } = civilTime(localUs);
  const two = (value: number) => String(value).padStart(2, '0');
  const fraction = microsecond === 0 ? '' : `.${String(microsecond).padStart(6, '0')}`;
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}${fraction}`;
}

export function stampTexts(items: readonly ParsedItem[]): string[] {
  return itemsOf(items, 'record').map(({ stamp }) => stampText(stamp.localUs));
}

/** The real files of a format, kept beside the repository: a function that reads one, and whether they are there. Without them tests are skipped, except in CI. */
export function sampleFolder(name: string): { skip: boolean; read: (file: string) => Uint8Array } {
  const folder = new URL(`../../../../shared/samples/${name}/`, import.meta.url);
  const skip = !existsSync(folder) && process.env.CI !== 'true';
  if (skip) process.emitWarning(`skipped: the sample files of ${name} (shared/samples/${name}) are not on this machine`);
  return { skip, read: (file) => new Uint8Array(readFileSync(new URL(encodeURIComponent(file), folder))) };
}
