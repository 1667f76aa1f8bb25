import { fromHex, toHex } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type ShortName, shortNameBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { metricCode, metricOfCode } from './link-metric.ts';

/**
 * What neighbours say to each other about routes, in few bytes.
 *
 * The messages of a session come once, whole and in order. So both ends can keep a list of the destinations named so far, and a destination is named by its short name the first time and by its place in that list
 * afterwards; places 0 and 1 are the sender and the receiver. A message is one deterministic CBOR array of items laid end to end. Every item begins with `4 * place + kind`, followed, where the place is the next new one, by the
 * short name (8 bytes), and by:
 *
 *      0 update    sequence number less the one last said of this destination, metric code (`link-metric.ts`)
 *      1 request   wanted sequence number less the one last said, hops it may still take        RFC 8966 section 4.6.12
 *      2 watch     nothing: the sender has something for this destination and goes by way of the receiver
 *      3 unwatch   nothing
 *
 * An update of place 0 is the sender's own sequence number, and instead of a metric (which is 0) its cost of the link to the receiver. A repeated update takes 4 to 6 bytes.
 */

/** One thing said about a destination. */
export type RouteItem =
  | { readonly type: 'update'; readonly destination: ShortName; readonly seqno: number; readonly metric: number }
  | { readonly type: 'request'; readonly destination: ShortName; readonly seqno: number; readonly hops: number }
  | { readonly type: 'watch'; readonly destination: ShortName }
  | { readonly type: 'unwatch'; readonly destination: ShortName };

/** Largest sequence number; out of reach for a node that counts, whatever is done to it. */
export const seqnoMax = 2 ** 48;
/** Hops that a request may take at most. */
export const requestHopsMax = 64;
/** Bytes of one item at most. */
export const itemBytesMax = 5 + 1 + shortNameBytes + 9 + 3;

const kinds = ['update', 'request', 'watch', 'unwatch'] as const;

/** The list of destinations that one direction of a session has named. */
class Dictionary {
  readonly #places = new Map<ShortName, number>();
  readonly #names: ShortName[] = [];
  readonly #seqnos: number[] = [];

  constructor(sender: ShortName, receiver: ShortName) {
    this.add(sender);
    this.add(receiver);
  }

  get size(): number {
    return this.#names.length;
  }

  place(name: ShortName): number | undefined {
    return this.#places.get(name);
  }

  name(place: number): ShortName | undefined {
    return this.#names[place];
  }

  add(name: ShortName): number {
    this.#places.set(name, this.#names.length);
    this.#seqnos.push(0);
    return this.#names.push(name) - 1;
  }

  seqno(place: number): number {
    return this.#seqnos[place] ?? 0;
  }

  setSeqno(place: number, seqno: number): void {
    this.#seqnos[place] = seqno;
  }
}

/** Destinations that one direction of a session may name. */
const namesMax = limits.membersPerTeamMax + 2;

/** Writes what is said to one neighbour in one session. What it has written must be delivered, in this order. */
export class RouteWriter {
  readonly #dictionary: Dictionary;

  constructor(self: ShortName, neighbour: ShortName) {
    this.#dictionary = new Dictionary(self, neighbour);
  }

  /** Bytes of one message. */
  write(items: readonly RouteItem[]): Uint8Array {
    return encodeCbor(items.flatMap((item) => this.#item(item)));
  }

  /** False for a destination that is new to this session when there is no room for another. */
  takes(destination: ShortName): boolean {
    return this.#dictionary.place(destination) !== undefined || this.#dictionary.size < namesMax;
  }

  #item(item: RouteItem): CborValue[] {
    const dictionary = this.#dictionary;
    const known = dictionary.place(item.destination);
    const place = known ?? dictionary.add(item.destination);
    const head: CborValue[] = [4 * place + kinds.indexOf(item.type), ...(known === undefined ? [fromHex(item.destination)] : [])];
    if (item.type === 'watch' || item.type === 'unwatch') return head;
    const step = item.seqno - dictionary.seqno(place);
    dictionary.setSeqno(place, item.seqno);
    return [...head, step, item.type === 'update' ? metricCode(item.metric) : item.hops];
  }
}

/** Reads what one neighbour says in one session. */
export class RouteReader {
  readonly #dictionary: Dictionary;

  constructor(neighbour: ShortName, self: ShortName) {
    this.#dictionary = new Dictionary(neighbour, self);
  }

  /** The items of one message. `ROUTES_MALFORMED` (peer) when it breaks the format; the session is of no use for routes afterwards. */
  read(bytes: Uint8Array): Outcome<RouteItem[]> {
    const decoded = decodeCbor(bytes);
    if (!decoded.ok) return decoded;
    if (!Array.isArray(decoded.value)) return malformed();
    const values = decoded.value as unknown[];
    const items: RouteItem[] = [];
    let offset = 0;
    while (offset < values.length) {
      const head = values[offset++];
      if (!isInteger(head, 4 * namesMax)) return malformed();
      const place = Math.floor(head / 4);
      if (place > this.#dictionary.size) return malformed();
      if (place === this.#dictionary.size) {
        const name = values[offset++];
        if (!(name instanceof Uint8Array) || name.length !== shortNameBytes) return malformed();
        const text = toHex(name) as ShortName;
        if (this.#dictionary.place(text) !== undefined) return malformed();
        this.#dictionary.add(text);
      }
      const destination = this.#dictionary.name(place) as ShortName;
      const type = kinds[head % 4] as (typeof kinds)[number];
      if (type === 'watch' || type === 'unwatch') {
        items.push({ type, destination });
        continue;
      }
      const step = values[offset++];
      const last = values[offset++];
      if (typeof step !== 'number' || !isInteger(last, 0x10000)) return malformed();
      const seqno = this.#dictionary.seqno(place) + step;
      if (!isInteger(seqno, seqnoMax)) return malformed();
      this.#dictionary.setSeqno(place, seqno);
      if (type === 'update') items.push({ type, destination, seqno, metric: metricOfCode(last) });
      else if (last > requestHopsMax) return malformed();
      else items.push({ type, destination, seqno, hops: last });
    }
    return success(items);
  }
}

function isInteger(value: unknown, below: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < below;
}

function malformed(): Outcome<RouteItem[]> {
  return failure('ROUTES_MALFORMED', 'peer', 'a message about routes is not of its format');
}
