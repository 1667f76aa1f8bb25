import type { Duplex } from 'node:stream';
import { GodwitError } from '../core/errors.ts';
import type { LinkSink, Listener } from '../ports/links.ts';
import { encodeLinePacket, LineUnframer, linePacketBytesMax } from './line-framing.ts';
import { isSerialAddress, openSerialPort, serialPathOf } from './serial-port.ts';
import { systemTimers } from './system-timers.ts';
import type { TcpTransport } from './tcp-transport.ts';

/**
 * Datagram paths over lines: serial ports (`serial:/dev/ttyUSB0?baud=9600`), and whatever else the host program can open as a Node stream (`line:NAME`). At the far end of a line is one peer, and it is opened
 * the same way at both ends.
 *
 * Datagrams, although a line keeps its bytes in order: it loses some, and a session over datagrams makes good what is lost, finds out how fast the line is, and needs no connection that both ends would have to
 * agree on.
 */

/** A line that is open: bytes both ways. */
type Line = TcpTransport;

/** The lines that a host program lends to a node, by name: `radio` is at the address `line:radio`. Called when the line is needed, and again after it ended. */
export type NamedLines = Readonly<Record<string, () => Promise<Duplex> | Duplex>>;

/** A line, open or not. */
interface Port {
  /** The address that was used for it last. */
  text: string;
  readonly open: () => Promise<Line>;
  line: Line | undefined;
  opening: Promise<void> | undefined;
  listeners: number;
  /** Instant of the last attempt at opening it, milliseconds. */
  triedAt: number;
  /** Packets as they go onto the line, oldest first. */
  waiting: Uint8Array[];
  waitingBytes: number;
  isWriting: boolean;
}

/** A line that cannot be opened, or broke, is tried again after so long. */
const reopenMs = 5_000;
/** What may wait for a line. A session sends no faster than the line carries, so this is reached only before that is known. */
const waitingBytesMax = 32 * 1024;

const namePattern = /^line:([A-Za-z0-9_-]{1,64})$/;

/** A Node stream as a line. */
function lineOf(duplex: Duplex): Line {
  // What goes wrong shows where it is read or written.
  duplex.on('error', () => undefined);
  return {
    async *read() {
      for await (const bytes of duplex) yield bytes as Uint8Array;
    },
    write: (bytes) => new Promise((resolve, reject) => duplex.write(bytes, (error) => (error ? reject(error) : resolve()))),
    async close() {
      duplex.destroy();
    },
  };
}

/** True for the address of a line. */
export function isLineAddress(text: string): boolean {
  return isSerialAddress(text) || text.startsWith('line:');
}

/** The lines of one node. */
export class LineLinks {
  readonly #sink: LinkSink;
  readonly #named: NamedLines;
  readonly #ports = new Map<string, Port>();
  #closed = false;

  constructor(sink: LinkSink, named: NamedLines) {
    this.#sink = sink;
    this.#named = named;
  }

  /**
   * Opens a line and keeps it open: one that breaks, as when an adapter is unplugged, is opened again when that is possible. Rejects with `ADDRESS_MALFORMED`, `SERIALPORT_MISSING` or `ADDRESS_UNAVAILABLE`
   * (retryable).
   */
  async listen(text: string): Promise<Listener> {
    const port = this.#port(text);
    await this.#open(port);
    port.listeners++;
    let isListening = true;
    return {
      address: text,
      close: async () => {
        if (!isListening) return;
        isListening = false;
        port.listeners--;
        if (port.listeners === 0) await this.#shut(port);
      },
    };
  }

  /** Sends a datagram on a line, opening it when that is due, or drops it. */
  transmit(text: string, bytes: Uint8Array): void {
    if (this.#closed || bytes.length > linePacketBytesMax) return;
    let port: Port;
    try {
      port = this.#port(text);
    } catch {
      return;
    }
    const isDue = performance.now() - port.triedAt >= reopenMs;
    if (port.line === undefined && port.opening === undefined && !isDue) return;
    const framed = encodeLinePacket(bytes);
    if (port.waitingBytes + framed.length > waitingBytesMax) return;
    port.text = text;
    port.waiting.push(framed);
    port.waitingBytes += framed.length;
    if (port.line !== undefined) void this.#write(port, port.line);
    // A line that cannot be opened costs what waits for it, as a link that is down would.
    else this.#open(port).catch(() => undefined);
  }

  /** Closes all lines. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#ports.values(), (port) => this.#shut(port)));
  }

  /** The line at an address. Throws `ADDRESS_MALFORMED` or `ADDRESS_UNAVAILABLE`. */
  #port(text: string): Port {
    const isSerial = isSerialAddress(text);
    const key = isSerial ? `serial:${serialPathOf(text)}` : text;
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const port: Port = {
      text,
      open: isSerial ? () => openSerialPort(text) : this.#opener(text),
      line: undefined,
      opening: undefined,
      listeners: 0,
      triedAt: Number.NEGATIVE_INFINITY,
      waiting: [],
      waitingBytes: 0,
      isWriting: false,
    };
    this.#ports.set(key, port);
    return port;
  }

  #opener(text: string): () => Promise<Line> {
    const [, name] = namePattern.exec(text) ?? [];
    if (name === undefined) throw new GodwitError('ADDRESS_MALFORMED', `${JSON.stringify(text)} is no line: write line:NAME`);
    const open = Object.hasOwn(this.#named, name) ? this.#named[name] : undefined;
    if (open === undefined)
      throw new GodwitError('ADDRESS_UNAVAILABLE', `there is no line ${name}: the host program names its lines when it opens the node`);
    return async () => lineOf(await open());
  }

  /** Opens a line that is not open. */
  async #open(port: Port): Promise<void> {
    if (port.line !== undefined) return;
    port.opening ??= this.#begin(port).finally(() => {
      port.opening = undefined;
    });
    await port.opening;
  }

  async #begin(port: Port): Promise<void> {
    port.triedAt = performance.now();
    let line: Line;
    try {
      line = await port.open();
    } catch (cause) {
      this.#dropWaiting(port);
      if (cause instanceof GodwitError && cause.code !== 'INSTRUMENT_UNREACHABLE') throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new GodwitError('ADDRESS_UNAVAILABLE', `cannot use the line ${port.text}: ${reason}`, { retryable: true, cause });
    }
    if (this.#closed) {
      await line.close();
      return;
    }
    port.line = line;
    void this.#read(port, line);
    void this.#write(port, line);
  }

  async #read(port: Port, line: Line): Promise<void> {
    const unframer = new LineUnframer();
    try {
      for await (const bytes of line.read()) {
        for (const packet of unframer.push(bytes)) if (port.line === line) this.#sink.received(port.text, 'datagram', packet);
      }
    } catch {
      // A line that breaks ends like one that is closed.
    }
    await this.#broke(port, line);
  }

  /** Writes what waits, together: the line is asked once whether all of it has left. */
  async #write(port: Port, line: Line): Promise<void> {
    if (port.isWriting) return;
    port.isWriting = true;
    try {
      while (port.waiting.length > 0 && port.line === line) {
        const bytes = Buffer.concat(port.waiting);
        this.#dropWaiting(port);
        await line.write(bytes);
      }
    } catch {
      await this.#broke(port, line);
    } finally {
      port.isWriting = false;
    }
  }

  async #broke(port: Port, line: Line): Promise<void> {
    if (port.line !== line) return;
    port.triedAt = performance.now();
    await this.#shut(port);
    this.#reopenLater(port);
  }

  #reopenLater(port: Port): void {
    if (this.#closed || port.listeners === 0) return;
    systemTimers.schedule(reopenMs, () => {
      if (this.#closed || port.listeners === 0) return;
      this.#open(port).catch(() => this.#reopenLater(port));
    });
  }

  async #shut(port: Port): Promise<void> {
    const { line } = port;
    port.line = undefined;
    this.#dropWaiting(port);
    await line?.close();
  }

  #dropWaiting(port: Port): void {
    port.waiting = [];
    port.waitingBytes = 0;
  }
}
