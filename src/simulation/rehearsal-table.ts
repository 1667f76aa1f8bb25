import { utf8 } from '../core/bytes.ts';
import { toa5Text } from './logger-files.ts';

/** What the logger's card holds when it is read. */
export interface RehearsedCard {
  readonly path: string;
  /** The file of the day, as it stands now. */
  readonly bytes: Uint8Array;
  /** Bytes that came since it was last asked for. */
  readonly grownBytes: number;
  /** Rows that the logger has written in all. */
  readonly rows: number;
}

/** A logger of a rehearsal, which begins a new file every day. */
export class RehearsalTable {
  readonly #name: string;
  readonly #rowsPerHour: number;
  readonly #beganUs: number;
  readonly #seed: number;
  #rows = 0;
  #day = -1;
  #text = '';

  /** @param beganMs what its clock shows at the beginning, UTC */
  constructor(name: string, rowsPerHour: number, beganMs: number, seed: number) {
    this.#name = name;
    this.#rowsPerHour = rowsPerHour;
    this.#beganUs = Math.ceil(beganMs / 1000) * 1_000_000;
    this.#seed = seed;
  }

  /** The file after so many hours. Hours only grow. */
  until(hours: number): RehearsedCard {
    const rows = Math.floor(hours * this.#rowsPerHour);
    const day = Math.floor(hours / 24);
    const isNew = day !== this.#day;
    if (isNew) [this.#day, this.#text] = [day, ''];
    const intervalUs = Math.max(1000, Math.round(3600e6 / this.#rowsPerHour / 1000) * 1000);
    const more = toa5Text({
      station: this.#name,
      table: this.#name,
      firstLocalUs: this.#beganUs + this.#rows * intervalUs,
      intervalUs,
      rows: rows - this.#rows,
      firstRecord: this.#rows,
      seed: this.#seed,
      withHeader: isNew,
    });
    const grownBytes = rows > this.#rows ? more.length : 0;
    this.#rows = rows;
    this.#text += more;
    return { path: `day-${day + 1}.dat`, bytes: utf8(this.#text), grownBytes, rows };
  }
}
