import { failure, type Outcome, success } from '../core/outcome.ts';
import { parseIsoStamp } from '../formats/generic-csv/iso-stamp.ts';

/**
 * Contact traces: who could hear whom, from when to when. They are recorded of people who carry radios, of buses, of collared animals, and they are what carrying is judged by.
 *
 * Three forms are in use, and `readContactTrace` tells them apart by their first lines:
 *
 * - events of the ONE simulator (StandardEventsReader): `TIME CONN A B up` and `TIME CONN A B down`, in seconds; lines of other events are passed over;
 * - interval tables as in CRAWDAD's Haggle sets: `A B BEGIN END`, in seconds, separated by blanks, what follows is not looked at;
 * - CSV of intervals, separated by commas, semicolons or tabs, the columns named in the first line, or in the order of the tables; seconds, milliseconds where a name ends in `ms`, or ISO 8601.
 *
 * What was seen from both sides, or in overlapping pieces, is one contact: intervals of one pair that overlap or touch are joined. The trace begins at its earliest contact, which gets the instant 0.
 */

/** Two nodes in reach of each other. */
export interface TraceContact {
  /** Positions in `ContactTrace.nodes`, `a` below `b`. */
  readonly a: number;
  readonly b: number;
  /** Milliseconds since the trace began; the end is not before the beginning, and may be the same. */
  readonly beginMs: number;
  readonly endMs: number;
}

/** A recorded or drawn trace. */
export interface ContactTrace {
  /** Names, in the order in which they first occur. */
  readonly nodes: readonly string[];
  /** In order of their beginning. Contacts of one pair neither overlap nor touch. */
  readonly contacts: readonly TraceContact[];
  /** When the last contact ends. */
  readonly durationMs: number;
}

/** How a trace is read. */
export interface ContactTraceOptions {
  /** Milliseconds by which every contact of a table or CSV file is made longer: the interval at which its devices looked around, since a single sighting has no length of its own. Default: 0. */
  readonly sightingMs?: number;
}

/** Nodes and contacts of one trace. */
const nodesMax = 100_000;
const contactsMax = 20_000_000;

/** A piece of a contact in whatever order the file has it; instants in seconds. */
interface Piece {
  readonly a: number;
  readonly b: number;
  readonly beginMs: number;
  readonly endMs: number;
}

/**
 * Reads a trace.
 *
 * @returns the trace, or `CONTACT_TRACE_MALFORMED`, which names the line: numbers that are none, ends before beginnings, a node in contact with itself, or no contact at all.
 */
export function readContactTrace(text: string, options: ContactTraceOptions = {}): Outcome<ContactTrace> {
  const builder = new TraceBuilder();
  const lines = new Lines(text);
  const first = lines.next();
  if (first === undefined) return malformed('there is no line in the trace');
  const row: Row = isEvent(first) ? new EventRow(builder) : new TableRow(builder, first, options.sightingMs ?? 0);
  for (let line: string | undefined = first; line !== undefined; line = lines.next()) {
    const wrong = row.take(line);
    if (wrong !== undefined) return malformed(`line ${lines.number}: ${wrong}`);
    if (builder.isFull) return malformed(`line ${lines.number}: more than ${nodesMax} nodes or ${contactsMax} contacts`);
  }
  row.end();
  const trace = builder.trace();
  return trace.contacts.length === 0 ? malformed('there is no contact in the trace') : success(trace);
}

/** A trace of intervals; those of one pair are joined where they overlap or touch. Instants are milliseconds on any clock. */
export function contactTraceOf(
  intervals: Iterable<{ readonly a: string; readonly b: string; readonly beginMs: number; readonly endMs: number }>,
): ContactTrace {
  const builder = new TraceBuilder();
  for (const { a, b, beginMs, endMs } of intervals) builder.add(builder.node(a), builder.node(b), beginMs, endMs);
  return builder.trace();
}

function malformed(why: string): Outcome<ContactTrace> {
  return failure('CONTACT_TRACE_MALFORMED', 'caller', `${why}.`);
}

/** Lines that say something: neither empty nor a remark. */
class Lines {
  readonly #text: string;
  #at = 0;
  number = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string | undefined {
    while (this.#at < this.#text.length) {
      const end = this.#text.indexOf('\n', this.#at);
      const line = this.#text.slice(this.#at, end < 0 ? undefined : end).trim();
      this.#at = end < 0 ? this.#text.length : end + 1;
      this.number++;
      if (line !== '' && !line.startsWith('#') && !line.startsWith('%')) return line;
    }
    return undefined;
  }
}

/** One line after another, in one of the forms. */
interface Row {
  /** What is wrong with a line, if anything. */
  take(line: string): string | undefined;
  /** The file ended. */
  end(): void;
}

/** Names of the events that a ONE trace may have beside connections. */
const otherEvents = new Set(['C', 'S', 'DE', 'DR', 'A', 'R']);

function isEvent(line: string): boolean {
  const action = line.split(/\s+/)[1];
  return action === 'CONN' || (action !== undefined && otherEvents.has(action));
}

/** Connections that open and close. What is open at the end of the file ends with the last event. */
class EventRow implements Row {
  readonly #builder: TraceBuilder;
  readonly #openedMs = new Map<string, { readonly a: number; readonly b: number; readonly beginMs: number }>();
  #lastMs = 0;

  constructor(builder: TraceBuilder) {
    this.#builder = builder;
  }

  take(line: string): string | undefined {
    const [time, action, first, second, state] = line.split(/\s+/);
    if (action !== 'CONN') return action !== undefined && otherEvents.has(action) ? undefined : 'not an event of a connectivity trace';
    const atMs = milliseconds(time, 1000);
    if (atMs === undefined) return 'the time is not a number of seconds';
    if (first === undefined || second === undefined || first === second) return 'a connection needs two nodes';
    const a = this.#builder.node(first);
    const b = this.#builder.node(second);
    const pair = a < b ? `${a} ${b}` : `${b} ${a}`;
    this.#lastMs = Math.max(this.#lastMs, atMs);
    const open = this.#openedMs.get(pair);
    switch (state?.toLowerCase()) {
      case 'up':
        // Some traces report a connection from both sides.
        if (open === undefined) this.#openedMs.set(pair, { a, b, beginMs: atMs });
        return undefined;
      case 'down':
        if (open === undefined) return undefined;
        if (atMs < open.beginMs) return 'a connection goes down before it came up';
        this.#builder.add(a, b, open.beginMs, atMs);
        this.#openedMs.delete(pair);
        return undefined;
      default:
        return 'a connection is up or down';
    }
  }

  end(): void {
    for (const { a, b, beginMs } of this.#openedMs.values()) this.#builder.add(a, b, beginMs, Math.max(beginMs, this.#lastMs));
  }
}

/** Where the columns of a table are. */
interface Columns {
  readonly a: number;
  readonly b: number;
  readonly begin: number;
  readonly end: number;
  /** True when the column of the end has a duration instead. */
  readonly lasts: boolean;
  /** Milliseconds that a plain number in the columns of time counts. */
  readonly unitMs: number;
}

const plainColumns: Columns = { a: 0, b: 1, begin: 2, end: 3, lasts: false, unitMs: 1000 };

/** Names of columns, letters only, lower case. */
const columnNames = {
  a: new Set([
    'a',
    'node',
    'nodea',
    'node1',
    'id1',
    'from',
    'source',
    'src',
    'i',
    'u',
    'user',
    'user1',
    'device',
    'device1',
    'first',
    'id',
  ]),
  b: new Set(['b', 'peer', 'nodeb', 'node2', 'id2', 'to', 'target', 'dst', 'j', 'v', 'user2', 'device2', 'second', 'other']),
  begin: new Set(['begin', 'beginms', 'beginseconds', 'start', 'starttime', 'begintime', 'tstart', 'up', 'time', 't', 'begins']),
  end: new Set(['end', 'endms', 'endseconds', 'stop', 'stoptime', 'endtime', 'tend', 'down', 'finish', 'ends']),
  duration: new Set(['duration', 'length', 'lasts', 'durationseconds', 'durationms']),
};

/** Intervals, one a line. */
class TableRow implements Row {
  readonly #builder: TraceBuilder;
  readonly #separator: RegExp;
  readonly #sightingMs: number;
  #columns: Columns | undefined;

  constructor(builder: TraceBuilder, first: string, sightingMs: number) {
    this.#builder = builder;
    this.#separator = [',', ';', '\t'].some((mark) => first.includes(mark)) ? /[,;\t]/ : /\s+/;
    this.#sightingMs = sightingMs;
  }

  take(line: string): string | undefined {
    const cells = line.split(this.#separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
    if (this.#columns === undefined) {
      const named = namedColumns(cells);
      this.#columns = named ?? plainColumns;
      if (named !== undefined) return undefined;
    }
    const columns = this.#columns;
    const first = cells[columns.a];
    const second = cells[columns.b];
    if (first === undefined || second === undefined || first === '' || second === '') return 'a contact needs two nodes';
    if (first === second) return 'a node is in contact with itself';
    const beginMs = milliseconds(cells[columns.begin], columns.unitMs);
    const givenMs = milliseconds(cells[columns.end], columns.unitMs);
    if (beginMs === undefined || givenMs === undefined) return 'begin and end are seconds or ISO 8601 instants';
    const endMs = columns.lasts ? beginMs + givenMs : givenMs;
    if (endMs < beginMs) return 'the contact ends before it begins';
    this.#builder.add(this.#builder.node(first), this.#builder.node(second), beginMs, endMs + this.#sightingMs);
    return undefined;
  }

  end(): void {}
}

/** The columns that a first line names, if it does: it names no numbers. */
function namedColumns(cells: readonly string[]): Columns | undefined {
  const names = cells.map((cell) => cell.toLowerCase().replace(/[^a-z0-9]/g, ''));
  const place = (among: ReadonlySet<string>) => names.findIndex((name) => among.has(name));
  const [a, b, begin, end, duration] = [
    place(columnNames.a),
    place(columnNames.b),
    place(columnNames.begin),
    place(columnNames.end),
    place(columnNames.duration),
  ];
  if (begin < 0 || (end < 0 && duration < 0)) return undefined;
  const unitMs = names[begin]?.endsWith('ms') ? 1 : 1000;
  return { a: Math.max(0, a), b: b < 0 ? 1 : b, begin, end: end < 0 ? duration : end, lasts: end < 0, unitMs };
}

/** A number of that unit, or an ISO 8601 instant, as milliseconds. Instants without an offset are taken for UTC: only differences count. */
function milliseconds(text: string | undefined, unitMs: number): number | undefined {
  if (text === undefined || text === '') return undefined;
  const units = Number(text);
  if (Number.isFinite(units)) return Math.round(units * unitMs);
  const stamp = parseIsoStamp(text);
  return stamp && Math.round(stamp.localUs / 1000 - (stamp.offsetMinutes ?? 0) * 60_000);
}

/** Collects pieces and puts them together. */
class TraceBuilder {
  readonly #numberByName = new Map<string, number>();
  readonly #pieces: Piece[] = [];

  get isFull(): boolean {
    return this.#numberByName.size > nodesMax || this.#pieces.length > contactsMax;
  }

  node(name: string): number {
    const known = this.#numberByName.get(name);
    if (known !== undefined) return known;
    this.#numberByName.set(name, this.#numberByName.size);
    return this.#numberByName.size - 1;
  }

  add(a: number, b: number, beginMs: number, endMs: number): void {
    this.#pieces.push({ a: Math.min(a, b), b: Math.max(a, b), beginMs, endMs });
  }

  trace(): ContactTrace {
    let originMs = Number.POSITIVE_INFINITY;
    for (const { beginMs } of this.#pieces) originMs = Math.min(originMs, beginMs);
    const contacts: TraceContact[] = [];
    let open: Piece | undefined;
    for (const piece of this.#pieces.sort((p, q) => p.a - q.a || p.b - q.b || p.beginMs - q.beginMs)) {
      if (open !== undefined && open.a === piece.a && open.b === piece.b && piece.beginMs <= open.endMs) {
        open = { ...open, endMs: Math.max(open.endMs, piece.endMs) };
      } else {
        if (open !== undefined) contacts.push(open);
        open = piece;
      }
    }
    if (open !== undefined) contacts.push(open);
    const shifted = contacts
      .map(({ a, b, beginMs, endMs }) => ({ a, b, beginMs: beginMs - originMs, endMs: endMs - originMs }))
      .sort((p, q) => p.beginMs - q.beginMs || p.a - q.a || p.b - q.b);
    let durationMs = 0;
    for (const { endMs } of shifted) durationMs = Math.max(durationMs, endMs);
    return { nodes: [...this.#numberByName.keys()], contacts: shifted, durationMs };
  }
}
