import { concatBytes, utf8, utf8Text } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';

/**
 * Messages of multicast DNS: RFC 1035 section 4, with what RFC 6762 section 18 makes of it, and the record types of DNS-SD.
 *
 * Whatever anybody on the network sends is read here. A name may point back to an earlier one; each pointer must lead further back than the one before, so reading ends, and there are limits on everything.
 */

/** Labels of a name, without the root's. */
export type DnsName = readonly string[];

/** Record types: RFC 1035 section 3.2.2, RFC 3596, RFC 2782, and "any" for questions. */
export const dnsType = { a: 1, ptr: 12, txt: 16, aaaa: 28, srv: 33, any: 255 } as const;

/** Something that is asked. */
export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
  /** The answer may come to the asker alone (RFC 6762 section 5.4). */
  readonly isUnicast: boolean;
}

/** What a record says. Addresses are text; of other types only the bytes are known. */
export type DnsData =
  | { readonly type: 1 | 28; readonly host: string }
  | { readonly type: 12; readonly target: DnsName }
  | { readonly type: 16; readonly strings: readonly Uint8Array[] }
  | { readonly type: 33; readonly port: number; readonly target: DnsName }
  | { readonly type: 0; readonly otherType: number; readonly bytes: Uint8Array };

/** A record. */
export interface DnsRecord {
  readonly name: DnsName;
  /** Seconds; 0: it is not so any more. */
  readonly ttlS: number;
  /** Takes the place of all others of this name and type (RFC 6762 section 10.2). */
  readonly flushes: boolean;
  readonly data: DnsData;
}

/** A query or a response. */
export interface DnsMessage {
  /** 0 but in answers to queries of simple resolvers. */
  readonly id: number;
  readonly isResponse: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Records and questions of one message. */
const itemsMax = 256;
const labelBytesMax = 63;
const nameBytesMax = 255;
const internetClass = 1;
const topBit = 0x8000;
const responseFlags = 0x8400;

/** True when two names are the same: letters of ASCII count as one whatever their case (RFC 6762 section 16). */
export function isSameName(a: DnsName, b: DnsName): boolean {
  return a.length === b.length && a.every((label, index) => label.toLowerCase() === b[index]?.toLowerCase());
}

/** The type of a record. */
export function typeOf(data: DnsData): number {
  return data.type === 0 ? data.otherType : data.type;
}

// Writing

class Writer {
  readonly #bytes: number[] = [];
  readonly #offsetByName = new Map<string, number>();

  u16(value: number): void {
    this.#bytes.push((value >>> 8) & 255, value & 255);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value & 0xffff);
  }

  raw(bytes: Iterable<number>): void {
    this.#bytes.push(...bytes);
  }

  name(name: DnsName): void {
    for (let index = 0; index < name.length; index++) {
      const key = name.slice(index).join('.').toLowerCase();
      const known = this.#offsetByName.get(key);
      if (known !== undefined) {
        this.u16(0xc000 | known);
        return;
      }
      if (this.#bytes.length < 0x4000) this.#offsetByName.set(key, this.#bytes.length);
      const label = utf8(name[index] as string);
      this.raw([label.length, ...label]);
    }
    this.raw([0]);
  }

  record({ name, ttlS, flushes, data }: DnsRecord): void {
    this.name(name);
    this.u16(typeOf(data));
    this.u16(internetClass | (flushes ? topBit : 0));
    this.u32(ttlS);
    const lengthAt = this.#bytes.length;
    this.u16(0);
    this.#data(data);
    const length = this.#bytes.length - lengthAt - 2;
    this.#bytes[lengthAt] = length >>> 8;
    this.#bytes[lengthAt + 1] = length & 255;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #data(data: DnsData): void {
    switch (data.type) {
      case 1:
      case 28:
        this.raw(addressBytes(data.host));
        break;
      case 12:
        this.name(data.target);
        break;
      case 16:
        for (const each of data.strings) this.raw([each.length, ...each]);
        break;
      case 33:
        this.u32(0);
        this.u16(data.port);
        this.name(data.target);
        break;
      case 0:
        this.raw(data.bytes);
    }
  }
}

/** The bytes of a message. Labels and strings must keep to their limits. */
export function encodeDns(message: DnsMessage): Uint8Array {
  const writer = new Writer();
  const sections = [message.answers, message.authorities, message.additionals];
  for (const value of [
    message.id,
    message.isResponse ? responseFlags : 0,
    message.questions.length,
    ...sections.map((each) => each.length),
  ])
    writer.u16(value);
  for (const { name, type, isUnicast } of message.questions) {
    writer.name(name);
    writer.u16(type);
    writer.u16(internetClass | (isUnicast ? topBit : 0));
  }
  for (const section of sections) for (const record of section) writer.record(record);
  return writer.finish();
}

/** The bytes of an address; a zone is left out. */
function addressBytes(host: string): Uint8Array {
  if (!host.includes(':')) return Uint8Array.from(host.split('.').map(Number));
  const [address = ''] = host.split('%');
  const [front = '', back] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [groups(front), groups(back ?? '')];
  const all = back === undefined ? before : [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >>> 8, group & 255]));
}

// Reading

class Malformed extends Error {}

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw new Malformed();
    return value;
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16();
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw new Malformed();
    this.at += length;
    return this.#bytes.slice(this.at - length, this.at);
  }

  name(): string[] {
    const labels: string[] = [];
    let length = 0;
    let end: number | undefined;
    let from = this.at;
    for (;;) {
      const size = this.u8();
      if (size === 0) break;
      if (size >= 0xc0) {
        const target = (size & 0x3f) * 256 + this.u8();
        end ??= this.at;
        // Only ever further back, or a loop of pointers would be read for ever.
        if (target >= from) throw new Malformed();
        from = target;
        this.at = target;
        continue;
      }
      length += size + 1;
      if (size > labelBytesMax || length >= nameBytesMax) throw new Malformed();
      const label = utf8Text(this.take(size));
      if (label === undefined) throw new Malformed();
      labels.push(label);
    }
    if (end !== undefined) this.at = end;
    return labels;
  }

  record(): DnsRecord {
    const name = this.name();
    const type = this.u16();
    const flushes = (this.u16() & topBit) !== 0;
    const ttlS = this.u32();
    const length = this.u16();
    const end = this.at + length;
    if (end > this.#bytes.length) throw new Malformed();
    const data = this.#data(type, end);
    if (this.at !== end) throw new Malformed();
    return { name, ttlS, flushes, data };
  }

  #data(type: number, end: number): DnsData {
    switch (type) {
      case dnsType.a:
        return { type, host: this.take(4).join('.') };
      case dnsType.aaaa:
        return { type, host: ipv6Text(this.take(16)) };
      case dnsType.ptr:
        return { type, target: this.name() };
      case dnsType.txt: {
        const strings: Uint8Array[] = [];
        while (this.at < end) strings.push(this.take(this.u8()));
        return { type, strings };
      }
      case dnsType.srv: {
        this.u32();
        const port = this.u16();
        return { type, port, target: this.name() };
      }
      default:
        return { type: 0, otherType: type, bytes: this.take(end - this.at) };
    }
  }
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes[2 * index] as number) * 256 + (bytes[2 * index + 1] as number)).toString(16),
  );
  // The longest run of zeros becomes `::` (RFC 5952 section 4.2).
  const [run] = [...groups.join(':').matchAll(/\b0(?::0\b)+/g)].sort((a, b) => b[0].length - a[0].length);
  const text = groups.join(':');
  if (run === undefined) return text;
  return `${text.slice(0, run.index).replace(/:$/, '')}::${text.slice(run.index + run[0].length).replace(/^:/, '')}`;
}

/** Reads a message. `DNS_MALFORMED` (peer). */
export function decodeDns(bytes: Uint8Array): Outcome<DnsMessage> {
  const reader = new Reader(bytes);
  try {
    const id = reader.u16();
    const flags = reader.u16();
    const counts = [reader.u16(), reader.u16(), reader.u16(), reader.u16()] as const;
    // Other operations than a query are none of multicast DNS (RFC 6762 section 18.3).
    if (counts.reduce((sum, count) => sum + count, 0) > itemsMax || (flags & 0x7800) !== 0) throw new Malformed();
    const questions = Array.from({ length: counts[0] }, () => {
      const name = reader.name();
      const type = reader.u16();
      return { name, type, isUnicast: (reader.u16() & topBit) !== 0 };
    });
    const records = (count: number): DnsRecord[] => Array.from({ length: count }, () => reader.record());
    const [answers, authorities, additionals] = [records(counts[1]), records(counts[2]), records(counts[3])];
    return success({ id, isResponse: (flags & topBit) !== 0, questions, answers, authorities, additionals });
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return failure('DNS_MALFORMED', 'peer', 'A packet on the port of multicast DNS is no message of DNS.');
  }
}

/** A TXT string `key=value` with a value of bytes. */
export function txtString(key: string, value: Uint8Array): Uint8Array {
  return concatBytes(utf8(`${key}=`), value);
}
