import { utf8 } from '../../core/bytes.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * NMEA 0183 sentences, and how they are found in a stream of bytes.
 *
 *     $GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47 CR LF
 *     $ talker type , field , field … * checksum
 *
 * The checksum is the exclusive or of everything between `$` and `*`. It is demanded: a sentence without one is noise, as one flipped bit moves a station by degrees. Proprietary sentences begin with
 * `$P` and have a maker's code in place of talker and type; encapsulated ones (AIS) begin with `!`.
 *
 * Sources: NMEA 0183 4.10, section 5.3; E. S. Raymond, "NMEA Revealed", 2.23.
 */

/** One sentence. */
export interface NmeaSentence {
  /** Two letters for the kind of talker, `GP` for GPS, `GN` for several systems, `SD` for a sounder; `P` for a proprietary sentence. */
  readonly talker: string;
  /** Three letters for what it says, for example `GGA`; all of the maker's own name in a proprietary sentence. */
  readonly type: string;
  readonly fields: readonly string[];
  /** The whole sentence, from `$` to the checksum. */
  readonly text: string;
}

/** Characters of the longest sentence. The standard has 82; receivers of many systems send more. */
const sentenceCharactersMax = 255;
const fieldsMax = 64;

/** Exclusive or of all characters, as two hexadecimal digits. */
function checksumOf(text: string): string {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum ^= text.charCodeAt(i);
  return (sum & 0xff).toString(16).toUpperCase().padStart(2, '0');
}

/** The sentence of an address, such as `GPGGA`, and fields, with its checksum and without CR and LF. */
export function encodeSentence(address: string, fields: readonly string[]): string {
  const body = [address, ...fields].join(',');
  return `$${body}*${checksumOf(body)}`;
}

/** The sentence in a line without CR and LF. Fails with `NMEA_MALFORMED` or `NMEA_CHECKSUM`. */
export function decodeSentence(text: string): Outcome<NmeaSentence> {
  const parts = /^[$!]([\x20-\x29\x2b-\x7e]+)\*([0-9A-Fa-f]{2})$/.exec(text);
  if (parts === null || text.length > sentenceCharactersMax) return failure('NMEA_MALFORMED', 'instrument', 'a line is no NMEA sentence');
  const [, body = '', checksum = ''] = parts;
  if (checksumOf(body) !== checksum.toUpperCase()) return failure('NMEA_CHECKSUM', 'instrument', 'an NMEA sentence has a wrong checksum');
  const [address = '', ...fields] = body.split(',');
  const [, talker, type] = /^(?:(P)([A-Z0-9]{2,}))$|^([A-Z0-9]{2})([A-Z]{3})$/.exec(address)?.filter((part) => part !== undefined) ?? [];
  if (talker === undefined || type === undefined || fields.length > fieldsMax) {
    return failure('NMEA_MALFORMED', 'instrument', 'an NMEA sentence has no address, or too many fields');
  }
  return success({ talker, type, fields, text });
}

const carriageReturn = 13;
const lineFeed = 10;
const dollar = 36;
const exclamation = 33;

/** Counts of what a stream held. */
export interface NmeaCounts {
  readonly sentences: number;
  /** Pieces that began like a sentence and were none: torn, damaged, without checksum. */
  readonly damaged: number;
}

/**
 * Finds sentences in a stream that is cut anywhere and may hold anything else: binary messages of the receiver, comments, halves of sentences. Holds less than one sentence.
 */
export class SentenceFinder {
  readonly #held = new Uint8Array(sentenceCharactersMax);
  #length = 0;
  #sentences = 0;
  #damaged = 0;

  /** What was found so far. */
  get counts(): NmeaCounts {
    return { sentences: this.#sentences, damaged: this.#damaged };
  }

  /** Adds the next bytes; returns the sentences they completed. */
  push(bytes: Uint8Array): NmeaSentence[] {
    const found: NmeaSentence[] = [];
    for (const byte of bytes) {
      if (byte === dollar || byte === exclamation) {
        if (this.#length > 0) this.#damaged += 1;
        this.#held[0] = byte;
        this.#length = 1;
      } else if (this.#length > 0) {
        if (byte === carriageReturn || byte === lineFeed) this.#finish(found);
        else if (byte < 0x20 || byte > 0x7e || this.#length === sentenceCharactersMax) {
          this.#damaged += 1;
          this.#length = 0;
        } else this.#held[this.#length++] = byte;
      }
    }
    return found;
  }

  #finish(found: NmeaSentence[]): void {
    let text = '';
    for (const byte of this.#held.subarray(0, this.#length)) text += String.fromCharCode(byte);
    this.#length = 0;
    const sentence = decodeSentence(text);
    if (sentence.ok) {
      this.#sentences += 1;
      found.push(sentence.value);
    } else this.#damaged += 1;
  }
}

/** Bytes of sentences as they go over a line. */
export function sentenceBytes(sentences: readonly string[]): Uint8Array {
  return utf8(sentences.map((sentence) => `${sentence}\r\n`).join(''));
}
