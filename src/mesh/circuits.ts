import type { Brand } from '../core/brand.ts';
import { concatBytes } from '../core/bytes.ts';
import type { ShortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import { type CircuitCell, type CircuitReason, circuitHopsMax, decodeCell, encodeCell } from './circuit-wire.ts';

/**
 * Circuits: ordered streams of bytes between two members, through others that pass on every byte and keep none.
 *
 * Ordinary data goes from node to node and is kept on the way. What must not be kept, or cannot wait for that, goes through a circuit: every node on it knows a label for each of its two neighbours there, and what comes under one
 * leaves under the other. What the bytes mean only the ends know: a session of their own, sealed for each other, runs over it as over any stream.
 *
 * **Credit.** A neighbour may send no more than a window of bytes that have not been passed on, so a relay holds at most a window for each direction of a circuit, whatever the ends do. Credit is given
 * back as bytes leave. **Turns.** A hop's session is handed little at a time, and circuits that share it take turns cell by cell: one that floods delays another by a cell, not by its window.
 * **Budgets.** Of others' circuits a relay takes so many, half of them at most from one neighbour, and passes on so many bytes a minute of each; what is over waits, and credit with it. **Loops.** Every hop takes one
 * from a count of eight, and nothing is sent back to where it came from.
 *
 * A circuit never moves: when a hop breaks it ends at both sides, with a reason, and its owner opens another one, by what routes are by then. Cells come once and in order, because sessions bring them so.
 */

/** Names a circuit at one node. */
export type CircuitId = Brand<number, 'CircuitId'>;

/** What a node does for circuits of others. */
export interface RelayLimits {
  /** Circuits that may lead through here at a time; 0: none. */
  readonly circuits: number;
  /** Bytes of each that are passed on in a minute, both directions together; an eighth more in a first burst. Above 0. */
  readonly bytesPerMinute: number;
}

/** What circuits need of the world. `Hop` names the session with a neighbour. */
export interface CircuitsParts<Hop> {
  readonly self: ShortName;
  /** Bytes that a hop takes now without making others wait. After less than was wanted `poll` is called again when there is room. */
  readonly roomBytes: (hop: Hop) => number;
  /** The hop by which a member is reached now. */
  readonly hopTo: (member: ShortName) => Hop | undefined;
}

/** What to do, or what happened. */
export type CircuitsOutput<Hop> =
  /** Say this to the neighbour, behind everything said before. */
  | { readonly type: 'cell'; readonly hop: Hop; readonly bytes: Uint8Array }
  /** The far end of a circuit that was opened here has taken it. */
  | { readonly type: 'opened'; readonly circuit: CircuitId }
  /** Somebody opened a circuit that ends here. */
  | { readonly type: 'arrived'; readonly circuit: CircuitId }
  /** The next bytes of a circuit that ends here: a view of what was received. */
  | { readonly type: 'bytes'; readonly circuit: CircuitId; readonly bytes: Uint8Array }
  /** A circuit that ends here is no more, and not because it was closed here. */
  | { readonly type: 'closed'; readonly circuit: CircuitId; readonly reason: CircuitReason };

/** A circuit as it stands. */
export interface CircuitState<Hop> {
  readonly circuit: CircuitId;
  readonly role: 'opened' | 'accepted' | 'relayed';
  readonly isOpen: boolean;
  /** The hops it has here, the one towards its opener first. */
  readonly hops: readonly Hop[];
  /** Bytes that this node has put onto the next hop, in both directions. */
  readonly bytes: number;
  /** Bytes that wait here for credit, for room on a hop, or for a budget, of the direction where more does. */
  readonly waitingBytes: number;
}

/** Credit goes back when this much of the window is due: some bytes of control for 16 KiB. */
const grantBytes = limits.circuitWindowBytes / 4;
/** Bytes of a data cell; shorter where the hop has less room, but not shorter than is worth its header. */
const cellBytesMax = 4096;
const cellBytesMin = 256;
/** A circuit that is not accepted by then is given up, and so is what still waits to leave one that has ended. */
const openMs = 60_000;
/** New circuits of one neighbour: so many at once, and one more each second. */
const opensAtOnce = 16;
const openEveryMs = 1000;
/** Answers to a neighbour's refused circuits that may wait; further ones are dropped, and time out over there. */
const refusalsMax = 64;
const minuteMs = 60_000;
const burstBytesMin = 4096;

interface HopState<Hop> {
  readonly id: Hop;
  /** Where the circuits of one who is no member lead. */
  readonly guestOf: ShortName | undefined;
  readonly legByKey: Map<number, Leg<Hop>>;
  /** What is said before any data. */
  readonly control: CircuitCell[];
  /** Legs that have data to send, in the order of their turns. */
  readonly ring: Leg<Hop>[];
  nextLabel: number;
  opens: number;
  opensAt: MonotonicMs;
}

/** One side of a circuit: the neighbour there. */
interface Leg<Hop> {
  readonly circuit: Circuit<Hop>;
  readonly hop: HopState<Hop>;
  readonly number: number;
  readonly isOurs: boolean;
  /** Bytes that may be sent. */
  creditBytes: number;
  /** Bytes that the neighbour may send. */
  windowBytes: number;
  /** Bytes that came and were passed on, and that the neighbour has not been told of. */
  owedBytes: number;
  readonly queue: Uint8Array[];
  queuedBytes: number;
  /** The circuit is over; this is said when the queue is empty, or at that time. */
  finishing: { readonly reason: CircuitReason; readonly at: MonotonicMs } | undefined;
}

interface Circuit<Hop> {
  readonly id: CircuitId;
  readonly role: CircuitState<Hop>['role'];
  readonly legs: Leg<Hop>[];
  readonly since: MonotonicMs;
  isOpen: boolean;
  bytes: number;
  /** What a relay may still pass on, as of when. */
  allowance: { bytes: number; at: MonotonicMs };
}

/** The circuits of one node: those that end here, and those that lead through. A machine. */
export class Circuits<Hop> {
  readonly #parts: CircuitsParts<Hop>;
  readonly #hopById = new Map<Hop, HopState<Hop>>();
  readonly #circuitById = new Map<CircuitId, Circuit<Hop>>();
  readonly #finishing = new Set<Leg<Hop>>();
  readonly #events: CircuitsOutput<Hop>[] = [];
  #limits: RelayLimits;
  #lastId = 0;
  #now = 0 as MonotonicMs;

  constructor(parts: CircuitsParts<Hop>, relay: RelayLimits) {
    this.#parts = parts;
    this.#limits = relay;
  }

  // Getters.

  /** Every circuit that ends here or leads through. */
  states(): CircuitState<Hop>[] {
    return [...this.#circuitById.values()].map(({ id, role, isOpen, legs, bytes }) => ({
      circuit: id,
      role,
      isOpen,
      hops: legs.map((leg) => leg.hop.id),
      bytes,
      waitingBytes: Math.max(0, ...legs.map((leg) => leg.queuedBytes)),
    }));
  }

  /** Labels in use with a neighbour: of circuits that stand, and of those whose end it has not been told yet. */
  labels(hop: Hop): number {
    return this.#hopById.get(hop)?.legByKey.size ?? 0;
  }

  /** When something is to be given up, or a budget allows more. */
  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const circuit of this.#circuitById.values()) {
      if (!circuit.isOpen) next = earliest(next, { at: later(circuit.since, openMs), reason: 'give up a circuit that nobody takes' });
      if (circuit.role !== 'relayed') continue;
      const waiting = circuit.legs.some((leg) => leg.queuedBytes > 0 && leg.creditBytes > 0);
      if (!waiting || this.#allowance(circuit) >= cellBytesMin) continue;
      const at = later(circuit.allowance.at, ((cellBytesMin - circuit.allowance.bytes) * minuteMs) / this.#limits.bytesPerMinute + 1);
      next = earliest(next, { at, reason: 'a circuit may go on' });
    }
    for (const { finishing } of this.#finishing)
      if (finishing !== undefined) next = earliest(next, { at: finishing.at, reason: 'give up the end of a circuit' });
    return next;
  }

  // Commands.

  /** From now on others' circuits are taken and passed on by these limits; those that lead through here already go on. */
  setLimits(relay: RelayLimits): void {
    this.#limits = relay;
  }

  /** Opens a circuit by this hop to the last of these members, by way of the others; without members to where the neighbour knows. Ends in `opened` or `closed`. `undefined` when there are too many already. */
  open(hop: Hop, members: readonly ShortName[], now: MonotonicMs): CircuitId | undefined {
    this.#now = now;
    const state = this.#hopById.get(hop);
    if (state === undefined || this.#ends() >= limits.circuitEndsMax) return undefined;
    const circuit = this.#circuit('opened');
    const leg = this.#leg(circuit, state, state.nextLabel++, true);
    leg.windowBytes = limits.circuitWindowBytes;
    this.#say(leg, { type: 'open', hopsLeft: circuitHopsMax - 1, creditBytes: leg.windowBytes, members });
    return circuit.id;
  }

  /** Takes bytes for sending, by reference. Nothing happens when the circuit is no more, and more than a full queue ends it. */
  write(id: CircuitId, bytes: Uint8Array, now: MonotonicMs): void {
    this.#now = now;
    const circuit = this.#circuitById.get(id);
    const leg = circuit?.legs[0];
    if (circuit === undefined || leg === undefined || circuit.role === 'relayed') return;
    if (leg.queuedBytes + bytes.length > limits.circuitQueueBytesMax) {
      this.#events.push({ type: 'closed', circuit: id, reason: 'busy' });
      this.#end(circuit, 'busy');
    } else this.#enqueue(leg, bytes);
  }

  /** Ends a circuit that was opened or accepted here, behind what was written to it. */
  close(id: CircuitId, now: MonotonicMs): void {
    this.#now = now;
    const circuit = this.#circuitById.get(id);
    if (circuit !== undefined && circuit.role !== 'relayed') this.#end(circuit, 'done');
  }

  // What happens.

  /** A session with a neighbour is there to be used. `guestOf`: the neighbour is no member; it may have one circuit, and that leads to this member. */
  begin(hop: Hop, now: MonotonicMs, guestOf?: ShortName): void {
    this.end(hop, now);
    this.#hopById.set(hop, {
      id: hop,
      guestOf,
      legByKey: new Map(),
      control: [],
      ring: [],
      nextLabel: 0,
      opens: opensAtOnce,
      opensAt: now,
    });
  }

  /** The session is gone: every circuit over it ends. */
  end(hop: Hop, now: MonotonicMs): void {
    this.lose(hop, now);
    this.#hopById.delete(hop);
  }

  /** The neighbour is not heard: circuits over it end, and it will be told of that when it is heard again. */
  lose(hop: Hop, now: MonotonicMs): void {
    this.#now = now;
    const state = this.#hopById.get(hop);
    if (state === undefined) return;
    for (const leg of [...state.legByKey.values()]) {
      this.#empty(leg);
      if (this.#finishing.has(leg)) this.#finish(leg, 'lost');
      else this.#lost(leg.circuit, 'lost');
    }
  }

  /** A neighbour said something about a circuit. `CIRCUIT_MALFORMED`, `CIRCUIT_OVERRUN` (peer): it broke the protocol, and its session should be closed. */
  receive(hop: Hop, bytes: Uint8Array, now: MonotonicMs): Outcome<void> {
    this.#now = now;
    const state = this.#hopById.get(hop);
    if (state === undefined) return success(undefined);
    const decoded = decodeCell(bytes);
    if (!decoded.ok) return decoded;
    const cell = decoded.value;
    const key = keyOf(cell.label.number, !cell.label.isSpeakers);
    const leg = state.legByKey.get(key);
    if (cell.type === 'open') {
      if (leg !== undefined) return failure('CIRCUIT_MALFORMED', 'peer', 'a label of a circuit is in use already');
      this.#take(state, cell);
      return success(undefined);
    }
    // A circuit that was closed here a moment ago, or one that never was: nobody is harmed by what is said of it.
    if (leg === undefined) return success(undefined);
    switch (cell.type) {
      case 'accept':
        this.#accepted(leg, cell.creditBytes);
        return success(undefined);
      case 'data':
        return this.#data(leg, cell.bytes);
      case 'credit':
        leg.creditBytes = Math.min(Number.MAX_SAFE_INTEGER, leg.creditBytes + cell.creditBytes);
        return success(undefined);
      case 'close':
        this.#remove(leg);
        if (!this.#finishing.delete(leg)) this.#lost(leg.circuit, cell.reason);
        return success(undefined);
    }
  }

  /** A deadline has come. */
  wake(now: MonotonicMs): void {
    this.#now = now;
    for (const circuit of [...this.#circuitById.values()])
      if (!circuit.isOpen && later(circuit.since, openMs) <= now) this.#lost(circuit, 'timeout');
    for (const leg of [...this.#finishing]) {
      if (leg.finishing === undefined || leg.finishing.at > now) continue;
      this.#empty(leg);
      this.#finish(leg, leg.finishing.reason);
    }
  }

  /** The next output, until `undefined`. Data cells are made here, as far as hops have room. */
  poll(): CircuitsOutput<Hop> | undefined {
    const event = this.#events.shift();
    if (event !== undefined) return event;
    for (const hop of this.#hopById.values()) {
      const cell = this.#nextCell(hop);
      if (cell !== undefined) return { type: 'cell', hop: hop.id, bytes: encodeCell(cell) };
    }
    return undefined;
  }

  // Opening.

  /** A neighbour wants a circuit, to here or through here. */
  #take(from: HopState<Hop>, cell: Extract<CircuitCell, { type: 'open' }>): void {
    const refusal = this.#refusal(from);
    const members = from.guestOf === undefined ? cell.members : [from.guestOf];
    const rest = members[0] === this.#parts.self ? members.slice(1) : members;
    const endsHere = members.length > 0 && rest.length === 0;
    const hop = rest[0] === undefined ? undefined : this.#hopById.get(this.#parts.hopTo(rest[0]) as Hop);
    if (refusal !== undefined) this.#refuse(from, cell, refusal);
    else if (endsHere) {
      if (this.#ends() >= limits.circuitEndsMax / 2) this.#refuse(from, cell, 'busy');
      else this.#answer(this.#leg(this.#circuit('accepted'), from, cell.label.number, false), cell.creditBytes);
    } else if (hop === undefined || hop === from) this.#refuse(from, cell, 'no-route');
    else if (cell.hopsLeft === 0) this.#refuse(from, cell, 'too-far');
    else if (this.#relayed() >= this.#limits.circuits) this.#refuse(from, cell, 'busy');
    else {
      const circuit = this.#circuit('relayed');
      this.#leg(circuit, from, cell.label.number, false).creditBytes = cell.creditBytes;
      const onward = this.#leg(circuit, hop, hop.nextLabel++, true);
      onward.windowBytes = limits.circuitWindowBytes;
      this.#say(onward, { type: 'open', hopsLeft: cell.hopsLeft - 1, creditBytes: onward.windowBytes, members: rest });
    }
  }

  /** Why nothing more is taken from a neighbour, whatever it is. */
  #refusal(from: HopState<Hop>): CircuitReason | undefined {
    const grown = Math.floor((this.#now - from.opensAt) / openEveryMs);
    from.opensAt = later(from.opensAt, grown * openEveryMs);
    from.opens = Math.min(opensAtOnce, from.opens + grown);
    if (from.opens === 0) return 'busy';
    from.opens--;
    const theirs = [...from.legByKey.values()].filter((leg) => !leg.isOurs).length;
    const most = from.guestOf === undefined ? Math.ceil(Math.max(this.#limits.circuits, limits.circuitEndsMax / 2) / 2) : 1;
    return theirs >= most ? 'busy' : undefined;
  }

  #refuse(from: HopState<Hop>, { label }: CircuitCell, reason: CircuitReason): void {
    if (from.control.length < refusalsMax) from.control.push({ type: 'close', label: { ...label, isSpeakers: false }, reason });
  }

  #answer(leg: Leg<Hop>, creditBytes: number): void {
    leg.creditBytes = creditBytes;
    leg.circuit.isOpen = true;
    this.#accept(leg);
    this.#events.push({ type: 'arrived', circuit: leg.circuit.id });
  }

  #accept(leg: Leg<Hop>): void {
    leg.windowBytes = limits.circuitWindowBytes;
    this.#say(leg, { type: 'accept', creditBytes: leg.windowBytes });
  }

  #accepted(leg: Leg<Hop>, creditBytes: number): void {
    const { circuit } = leg;
    // Only the far side can accept, and only once.
    if (circuit.isOpen || !leg.isOurs || this.#finishing.has(leg)) return;
    circuit.isOpen = true;
    leg.creditBytes = creditBytes;
    const back = circuit.role === 'relayed' ? circuit.legs[0] : undefined;
    if (back === undefined) this.#events.push({ type: 'opened', circuit: circuit.id });
    else this.#accept(back);
  }

  #circuit(role: CircuitState<Hop>['role']): Circuit<Hop> {
    const id = ++this.#lastId as CircuitId;
    const allowance = { bytes: this.#burstBytes, at: this.#now };
    const circuit: Circuit<Hop> = { id, role, legs: [], since: this.#now, isOpen: false, bytes: 0, allowance };
    this.#circuitById.set(id, circuit);
    return circuit;
  }

  #leg(circuit: Circuit<Hop>, hop: HopState<Hop>, number: number, isOurs: boolean): Leg<Hop> {
    const leg: Leg<Hop> = {
      circuit,
      hop,
      number,
      isOurs,
      creditBytes: 0,
      windowBytes: 0,
      owedBytes: 0,
      queue: [],
      queuedBytes: 0,
      finishing: undefined,
    };
    circuit.legs.push(leg);
    hop.legByKey.set(keyOf(number, isOurs), leg);
    return leg;
  }

  #ends(): number {
    return this.#circuitById.size - this.#relayed();
  }

  #relayed(): number {
    let count = 0;
    for (const { role } of this.#circuitById.values()) if (role === 'relayed') count++;
    return count;
  }

  // Data.

  #data(leg: Leg<Hop>, bytes: Uint8Array): Outcome<void> {
    leg.windowBytes -= bytes.length;
    if (leg.windowBytes < 0) return failure('CIRCUIT_OVERRUN', 'peer', 'more came on a circuit than was allowed');
    if (this.#finishing.has(leg)) return success(undefined);
    const other = leg.circuit.legs.find((each) => each !== leg);
    if (other !== undefined) this.#enqueue(other, bytes);
    else {
      this.#events.push({ type: 'bytes', circuit: leg.circuit.id, bytes });
      this.#passed(leg, bytes.length);
    }
    return success(undefined);
  }

  #enqueue(leg: Leg<Hop>, bytes: Uint8Array): void {
    if (leg.queuedBytes === 0) leg.hop.ring.push(leg);
    leg.queuedBytes += bytes.length;
    const last = leg.queue.at(-1);
    // Cells of a byte each would take many times their length.
    if (last !== undefined && bytes.length < cellBytesMin && last.length + bytes.length <= cellBytesMax)
      leg.queue[leg.queue.length - 1] = concatBytes(last, bytes);
    else leg.queue.push(bytes);
  }

  /** So many bytes that came here have gone on: the neighbour may send as many again. */
  #passed(leg: Leg<Hop>, bytes: number): void {
    leg.owedBytes += bytes;
    if (leg.owedBytes < grantBytes) return;
    this.#say(leg, { type: 'credit', creditBytes: leg.owedBytes });
    leg.windowBytes += leg.owedBytes;
    leg.owedBytes = 0;
  }

  /** What a hop is to be told next, if it has room. */
  #nextCell(hop: HopState<Hop>): CircuitCell | undefined {
    if (hop.control.length > 0) return this.#parts.roomBytes(hop.id) > 0 ? hop.control.shift() : undefined;
    for (const [turn, leg] of hop.ring.entries()) {
      const { circuit } = leg;
      const head = leg.queue[0] as Uint8Array;
      const least = Math.min(head.length, cellBytesMin);
      const allowed = Math.min(
        head.length,
        cellBytesMax,
        leg.creditBytes,
        circuit.role === 'relayed' ? this.#allowance(circuit) : Infinity,
      );
      if (allowed < least) continue;
      const bytes = Math.floor(Math.min(allowed, this.#parts.roomBytes(hop.id)));
      if (bytes < least) return undefined;
      hop.ring.splice(turn, 1);
      return this.#send(leg, head, bytes);
    }
    return undefined;
  }

  #send(leg: Leg<Hop>, head: Uint8Array, bytes: number): CircuitCell {
    const { circuit, hop, queue } = leg;
    if (bytes === head.length) queue.shift();
    else queue[0] = head.subarray(bytes);
    leg.queuedBytes -= bytes;
    leg.creditBytes -= bytes;
    circuit.bytes += bytes;
    if (leg.queuedBytes > 0) hop.ring.push(leg);
    if (circuit.role === 'relayed') {
      circuit.allowance = { bytes: this.#allowance(circuit) - bytes, at: this.#now };
      const source = circuit.legs.find((each) => each !== leg);
      if (source !== undefined) this.#passed(source, bytes);
    }
    if (leg.finishing !== undefined && leg.queuedBytes === 0) this.#finish(leg, leg.finishing.reason);
    return { type: 'data', label: { number: leg.number, isSpeakers: leg.isOurs }, bytes: head.subarray(0, bytes) };
  }

  get #burstBytes(): number {
    return Math.max(burstBytesMin, this.#limits.bytesPerMinute / 8);
  }

  /** Bytes of a circuit that may be passed on now. */
  #allowance({ allowance }: Circuit<Hop>): number {
    const grown = ((this.#now - allowance.at) * this.#limits.bytesPerMinute) / minuteMs;
    return Math.floor(Math.min(this.#burstBytes, allowance.bytes + grown));
  }

  // Ending.

  /** A circuit ends, and not by its owner's will. */
  #lost(circuit: Circuit<Hop>, reason: CircuitReason): void {
    if (circuit.role !== 'relayed') this.#events.push({ type: 'closed', circuit: circuit.id, reason });
    this.#end(circuit, reason);
  }

  /** A circuit ends: the neighbours that still have it are told, behind what is on its way to them. */
  #end(circuit: Circuit<Hop>, reason: CircuitReason): void {
    this.#circuitById.delete(circuit.id);
    for (const leg of [...circuit.legs]) {
      if (leg.queuedBytes === 0 || !circuit.isOpen) {
        this.#empty(leg);
        this.#finish(leg, reason);
      } else {
        leg.finishing = { reason, at: later(this.#now, openMs) };
        this.#finishing.add(leg);
      }
    }
  }

  /** The last word on a circuit to this neighbour. */
  #finish(leg: Leg<Hop>, reason: CircuitReason): void {
    this.#finishing.delete(leg);
    this.#say(leg, { type: 'close', reason });
    this.#remove(leg);
  }

  #remove(leg: Leg<Hop>): void {
    this.#empty(leg);
    leg.hop.legByKey.delete(keyOf(leg.number, leg.isOurs));
    leg.circuit.legs.splice(leg.circuit.legs.indexOf(leg), 1);
  }

  #empty(leg: Leg<Hop>): void {
    if (leg.queuedBytes > 0) leg.hop.ring.splice(leg.hop.ring.indexOf(leg), 1);
    leg.queue.length = 0;
    leg.queuedBytes = 0;
  }

  #say(leg: Leg<Hop>, what: Unlabelled): void {
    leg.hop.control.push({ ...what, label: { number: leg.number, isSpeakers: leg.isOurs } });
  }
}

/** A cell without its label. */
type Unlabelled = CircuitCell extends infer Cell ? (Cell extends CircuitCell ? Omit<Cell, 'label'> : never) : never;

/** Labels of both sides in one number. */
function keyOf(number: number, isOurs: boolean): number {
  return 2 * number + (isOurs ? 1 : 0);
}
