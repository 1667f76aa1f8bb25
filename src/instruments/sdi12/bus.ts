import { concatBytes, utf8 } from '../../core/bytes.ts';
import { GodwitError } from '../../core/errors.ts';
import { type Fault, type Outcome, success } from '../../core/outcome.ts';
import type { ByteLine } from '../byte-line.ts';
import { answerContent } from './messages.ts';

/**
 * Commands and answers on an SDI-12 line, with the waking and repeating that the standard asks of a recorder.
 *
 * A line is 1200 bit/s with seven bits and even parity; a *transparent adapter* passes its characters on. Sensors sleep; a break of 12 ms and 8.33 ms of marking wake them. A command that stays
 * unanswered, or whose answer is damaged, is repeated (V1.4, section 7.2). An adapter without a break of its own, on a transport that
 * cannot make one either, is taken to send one before each command.
 */

/** Length of the break, and of the marking behind it, in milliseconds: the standard's 12 and 8.33 with something to spare. */
const breakMs = 13;
const markingMs = 9;
/**
 * Tries of one command: the standard's three times three. Its recorder repeats within the 87 ms after which sensors sleep again, and sends a break after each third; behind an adapter silence is certain only
 * later than that, so every try has its break.
 */
const triesMax = 9;
/** Characters that may stand in front of an answer's end: the answer, the echo of the command, and noise. */
const lineBytesMax = 256;

/** The longest answer takes 81 characters of 10 bits at 1200 bit/s; an adapter may take as long again to pass it on. */
const answerMsMax = 1350;

const carriageReturn = 13;
const lineFeed = 10;
const parityBit = 0x80;
const deleteCharacter = 0x7f;

/** What a sensor said: the text behind its address, and the line as it came, without its parity bits. */
interface BusAnswer {
  readonly content: string;
  readonly raw: Uint8Array;
}

/** One line with its sensors. One command at a time. */
export class Sdi12Bus {
  readonly #line: ByteLine;
  readonly #responseTimeoutMs: number;
  readonly #commandEnd: string;
  #held: Uint8Array = new Uint8Array(0);
  /** Until then an answer to a command that was repeated may still come. */
  #owedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(line: ByteLine, responseTimeoutMs: number, commandEnd: string) {
    this.#line = line;
    this.#responseTimeoutMs = responseTimeoutMs;
    this.#commandEnd = commandEnd;
  }

  /** Now, on the line's monotonic clock. */
  nowMs(): number {
    return this.#line.nowMs();
  }

  /** Waits until `untilMs`, whatever the line says. */
  async waitUntil(untilMs: number): Promise<void> {
    await this.#line.pause(Math.max(0, untilMs - this.#line.nowMs()));
  }

  /**
   * Sends a command until a sound answer comes, and gives what `decode` makes of it.
   *
   * @throws GodwitError `INSTRUMENT_TIMEOUT`, `SDI12_MALFORMED` (both retryable), or as `ByteLine`
   */
  async ask<T>(
    address: string,
    command: string,
    hasCrc: boolean,
    decode: (content: string) => Outcome<T>,
  ): Promise<{ readonly value: T; readonly raw: Uint8Array }> {
    let fault: Fault = silent(address, command);
    // After a command that was repeated, the second answer must not be taken for that to the next one: the values of D0 do not say that they are not those of D1.
    await this.waitUntil(this.#owedUntilMs);
    for (let attempt = 0; attempt < triesMax; attempt++) {
      await this.#line.sendBreak(breakMs);
      await this.#line.pause(markingMs);
      if (attempt > 0) this.#owedUntilMs = this.#line.nowMs() + 2 * this.#responseTimeoutMs;
      const answer = await this.#once(address, command, hasCrc);
      if (answer.ok) {
        const decoded = decode(answer.value.content);
        if (decoded.ok) return { value: decoded.value, raw: answer.value.raw };
        fault = decoded.fault;
      } else fault = answer.fault;
    }
    throw GodwitError.from(fault, { retryable: true });
  }

  /** Waits for a sensor's word that its values are ready, but not beyond `deadlineMs`. Other lines are noise. */
  async serviceRequest(address: string, deadlineMs: number): Promise<void> {
    for (;;) {
      const line = await this.#nextLine(deadlineMs, deadlineMs);
      if (line === undefined || textOf(line) === address) return;
    }
  }

  /** Ends the conversation. */
  close(): Promise<void> {
    return this.#line.close();
  }

  async #once(address: string, command: string, hasCrc: boolean): Promise<Outcome<BusAnswer>> {
    await this.#line.silence(0, this.#line.nowMs());
    this.#held = new Uint8Array(0);
    const text = `${address}${command}!`;
    await this.#line.write(utf8(text + this.#commandEnd));
    let line = await this.#answerLine();
    // An adapter that hears itself gives the command back, in front of the answer or on a line of its own.
    if (line !== undefined && textOf(line) === text) line = await this.#answerLine();
    if (line === undefined) return { ok: false, fault: silent(address, command) };
    const said = textOf(line);
    const content = answerContent(address, said.startsWith(text) ? said.slice(text.length) : said, hasCrc);
    return content.ok ? success({ content: content.value, raw: line }) : content;
  }

  #answerLine(): Promise<Uint8Array | undefined> {
    const nowMs = this.#line.nowMs();
    return this.#nextLine(nowMs + this.#responseTimeoutMs, nowMs + this.#responseTimeoutMs + answerMsMax);
  }

  /** The next line with its end; `undefined` when nothing has come by `firstMs`, or nothing for the answer time behind that, or no end by `lastMs`. */
  async #nextLine(firstMs: number, lastMs: number): Promise<Uint8Array | undefined> {
    let untilMs = firstMs;
    for (;;) {
      const end = this.#held.indexOf(lineFeed);
      if (end >= 0) {
        const line = this.#held.slice(0, end + 1);
        this.#held = this.#held.slice(end + 1);
        return line;
      }
      const bytes = await this.#line.receive(untilMs);
      if (bytes === undefined) return undefined;
      const heard = bytes.map((byte) => byte & ~parityBit);
      this.#held = concatBytes(this.#held, heard).slice(-lineBytesMax);
      untilMs = Math.min(lastMs, Math.max(firstMs, this.#line.nowMs() + this.#responseTimeoutMs));
    }
  }
}

function silent(address: string, command: string): Fault {
  return { code: 'INSTRUMENT_TIMEOUT', blame: 'instrument', message: `sensor ${address} does not answer ${address}${command}!` };
}

/** Text of a line, without its end and without what a break and a line that begins to mark leave in front. */
function textOf(line: Uint8Array): string {
  let start = 0;
  while (line[start] === 0 || line[start] === deleteCharacter || line[start] === carriageReturn) start += 1;
  let end = line.length;
  while (end > start && (line[end - 1] === lineFeed || line[end - 1] === carriageReturn)) end -= 1;
  let text = '';
  for (const byte of line.subarray(start, end)) text += String.fromCharCode(byte);
  return text;
}
