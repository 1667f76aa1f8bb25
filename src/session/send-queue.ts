import { concatBytes } from '../core/bytes.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { dataHeaderBytes, dataWindowBytes, messageHeaderBytes, messageWindowBytes, writeData, writeMessage } from './frames.ts';
import { RangeSet } from './range-set.ts';
import { varintBytes, WireWriter } from './wire-bytes.ts';

/**
 * What waits to be sent in one session, and in which order it leaves.
 *
 * **Between classes**: a class pre-empts every class behind it, packet by packet. So that none starves, each byte sent past a waiting class earns it `floorShare` of a byte; once that has grown to a
 * packet, the class sends one; the next is of the most urgent class again, whoever else has earned a turn. A packet that carries emergency or critical bytes is not filled up with lesser ones: on a slow link the filling would delay it.
 *
 * **Inside a class**: what was lost goes first, then messages and data share the bytes evenly. Messages leave in their order, data in the order it was given.
 *
 * Everything handed in is kept, by reference, until it is acknowledged. Nothing is cut into packets before the moment of sending.
 */

/** A stretch of one class's message stream, as a packet carried it. */
export interface MessagePiece {
  readonly kind: 'message';
  readonly priority: PriorityClass;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The message carries rows, which count as data. */
  readonly isData: boolean;
}

/** A stretch of a transfer, as a packet carried it. `position` is not shortened here. */
export interface DataPiece {
  readonly kind: 'data';
  readonly priority: PriorityClass;
  readonly position: number;
  readonly transfer: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** What a packet carried, kept until it is acknowledged so that it can be sent again. */
export type Piece = MessagePiece | DataPiece;

/** One stretch of a transfer as the application hands it in. */
export interface DataItem {
  /** The application's number for what these bytes belong to, a safe integer, 0 or more. */
  readonly transfer: number;
  /** Where in it they begin, bytes. */
  readonly offset: number;
  /** Kept by reference until acknowledged: must not be changed. May be empty, to say `last` alone. */
  readonly bytes: Uint8Array;
  /** They end the transfer. */
  readonly last: boolean;
  /** Called once, when all of the bytes are acknowledged: nobody looks at them any more. */
  readonly released?: () => void;
}

/** What went into one packet. */
export interface Filling {
  readonly pieces: Piece[];
  /** Bytes of data sent for the first time (DATA frames, and messages that carry rows), of data sent again, and of other MESSAGE frames; frame headers included. */
  readonly dataBytes: number;
  readonly repeatedBytes: number;
  readonly messageBytes: number;
}

/** Consecutive classes, both ends included. */
export interface ClassRange {
  readonly most: PriorityClass;
  readonly least: PriorityClass;
}

/** Every class. */
export const allClasses: ClassRange = { most: 'emergency', least: 'bulk' };

/** The classes of a range, most urgent first. */
export function classesIn({ most, least }: ClassRange): readonly PriorityClass[] {
  return priorityClasses.slice(priorityClasses.indexOf(most), priorityClasses.indexOf(least) + 1);
}

/** Share of the bytes sent past a waiting class that it gets nevertheless. */
const floorShare = 1 / 32;
/** A frame shorter than this is not worth its header; the packet ends instead. */
const usefulRoom = 24;
/** Classes up to this one share their packets with nobody less urgent. */
const urgentClasses = 2;

/** A queue that forgets what was taken out of it in constant time. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#head++;
    if (this.#head < 64 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}

/** A message behind its length, as the stream carries it. */
interface QueuedMessage {
  readonly framed: Uint8Array;
  readonly isData: boolean;
}

/** The queue of one class. */
class ClassQueue {
  readonly lost = new Fifo<Piece>();
  readonly messages = new Fifo<QueuedMessage>();
  readonly data = new Fifo<DataItem>();
  /** Bytes of the first message, and of the first data item, that have been sent. */
  messageSent = 0;
  dataSent = 0;
  /** Offset in the message stream of the next byte to send, and what of the stream was acknowledged. */
  streamOffset = 0;
  readonly streamAcknowledged = new RangeSet();
  /** Waiting for the first time, bytes; an empty data item counts as one. */
  messageBytes = 0;
  dataBytes = 0;
  /** Bytes that messages are ahead of data by, while both wait. */
  messageLead = 0;
  /** What the class has earned while others went first, bytes. */
  credit = 0;
}

/** The end of what is complete from zero on. */
function floorOf(set: RangeSet): number {
  const first = set.ranges[0];
  return first !== undefined && first.start === 0 ? first.end : 0;
}

/** Positions a data piece takes. */
function positionsOf(bytes: Uint8Array): number {
  return Math.max(1, bytes.length);
}

/** The queue of one session. It decides the order; when a packet may leave is decided elsewhere. */
export class SendQueue {
  readonly #classes: readonly ClassQueue[] = priorityClasses.map(() => new ClassQueue());
  readonly #dataAcknowledged = new RangeSet();
  /** Items that were sent and want to hear when they have arrived: the position behind each, ascending. */
  readonly #unreleased = new Fifo<{ readonly end: number; readonly released: () => void }>();
  #nextPosition = 0;
  /** The last packet was of a class that had earned its turn. */
  #passedOver = false;
  /** Reused for every packet. */
  #filling = { pieces: [] as Piece[], dataBytes: 0, repeatedBytes: 0, messageBytes: 0 };

  /** Puts a message behind the others of its class. `isData`: it counts as data in the ledger. */
  pushMessage(priority: PriorityClass, bytes: Uint8Array, isData = false): void {
    const prefix = new WireWriter(new Uint8Array(varintBytes(bytes.length)));
    prefix.varint(bytes.length);
    const queue = this.#class(priority);
    // One array for both: a message is rarely longer than a packet, and a piece then never ends between them.
    const framed = concatBytes(prefix.written, bytes);
    queue.messages.push({ framed, isData });
    queue.messageBytes += framed.length;
  }

  /** So many bytes of a class's message stream went and arrived within the handshake. */
  begin(priority: PriorityClass, bytes: number): void {
    const queue = this.#class(priority);
    queue.streamOffset = bytes;
    queue.streamAcknowledged.add(0, bytes);
  }

  pushData(priority: PriorityClass, item: DataItem): void {
    const queue = this.#class(priority);
    queue.data.push(item);
    queue.dataBytes += positionsOf(item.bytes);
  }

  /** Message bytes of all classes that wait to be sent for the first time. */
  get messageBytesWaiting(): number {
    return this.#classes.reduce((sum, queue) => sum + queue.messageBytes, 0);
  }

  /** Bytes of DATA of this class and of everything more urgent that wait to be sent for the first time. */
  bytesWaiting(priority: PriorityClass): number {
    let sum = 0;
    for (let i = 0; i <= priorityClasses.indexOf(priority); i++) sum += (this.#classes[i] as ClassQueue).dataBytes;
    return sum;
  }

  /** The most urgent class that could send now, or `undefined` when nothing waits or all that waits must wait for acknowledgements. */
  get mostUrgent(): PriorityClass | undefined {
    return this.mostUrgentOf(allClasses);
  }

  /** The same of these classes alone. */
  mostUrgentOf({ most, least }: ClassRange): PriorityClass | undefined {
    const last = priorityClasses.indexOf(least);
    for (let i = priorityClasses.indexOf(most); i <= last; i++)
      if (this.#canSend(this.#classes[i] as ClassQueue)) return priorityClasses[i];
    return undefined;
  }

  /**
   * Writes frames into a packet until it is full or nothing is left that should share it. No frame may follow what this writes. Classes behind `leastUrgent` and before `mostUrgent` take no part: their bytes
   * may not leave here now.
   */
  fill(writer: WireWriter, leastUrgent: PriorityClass = 'bulk', mostUrgent: PriorityClass = 'emergency'): Filling {
    this.#filling = { pieces: [], dataBytes: 0, repeatedBytes: 0, messageBytes: 0 };
    const classes = priorityClasses.indexOf(leastUrgent) + 1;
    const from = priorityClasses.indexOf(mostUrgent);
    const first = this.#classToServe(writer.room, from, classes);
    if (first < 0) return this.#filling;
    const before = writer.length;
    const end = Math.min(classes, first < urgentClasses ? urgentClasses : this.#classes.length);
    let full = this.#fillFrom(this.#classes[first] as ClassQueue, writer);
    for (let i = from; i < end && !full; i++) if (i !== first) full = this.#fillFrom(this.#classes[i] as ClassQueue, writer);
    const sent = writer.length - before;
    for (let i = first + 1; i < classes; i++) {
      const queue = this.#classes[i] as ClassQueue;
      if (this.#canSend(queue)) queue.credit += sent * floorShare;
    }
    return this.#filling;
  }

  /** The packet with this piece was lost: what of it has not arrived by other ways goes first in its class. */
  requeue(piece: Piece): void {
    if (!this.#isAcknowledged(piece)) this.#class(piece.priority).lost.push(piece);
  }

  /** The packet with this piece arrived. */
  acknowledge(piece: Piece): void {
    if (piece.kind === 'data') {
      this.#dataAcknowledged.add(piece.position, piece.position + positionsOf(piece.bytes));
      this.#release();
    } else this.#class(piece.priority).streamAcknowledged.add(piece.offset, piece.offset + piece.bytes.length);
  }

  /** What has arrived is never written again, so nobody looks at the bytes of items before the first that is under way. */
  #release(): void {
    const arrived = floorOf(this.#dataAcknowledged);
    for (let item = this.#unreleased.first; item !== undefined && item.end <= arrived; item = this.#unreleased.first) {
      this.#unreleased.shift();
      item.released();
    }
  }

  #class(priority: PriorityClass): ClassQueue {
    return this.#classes[priorityClasses.indexOf(priority)] as ClassQueue;
  }

  #canSend(queue: ClassQueue): boolean {
    return this.#firstLost(queue) !== undefined || this.#canSendMessage(queue) || this.#canSendData(queue);
  }

  #canSendMessage(queue: ClassQueue): boolean {
    return queue.messageBytes > 0 && queue.streamOffset - floorOf(queue.streamAcknowledged) < messageWindowBytes;
  }

  #canSendData(queue: ClassQueue): boolean {
    return queue.dataBytes > 0 && this.#nextPosition - floorOf(this.#dataAcknowledged) < dataWindowBytes;
  }

  /** The first lost piece that is still needed. */
  #firstLost(queue: ClassQueue): Piece | undefined {
    for (let piece = queue.lost.first; piece !== undefined; piece = queue.lost.first) {
      if (!this.#isAcknowledged(piece)) return piece;
      queue.lost.shift();
    }
    return undefined;
  }

  #isAcknowledged(piece: Piece): boolean {
    return piece.kind === 'data'
      ? this.#dataAcknowledged.hasAll(piece.position, piece.position + positionsOf(piece.bytes))
      : this.#class(piece.priority).streamAcknowledged.hasAll(piece.offset, piece.offset + piece.bytes.length);
  }

  /** Index of the class that leads the next packet: the most urgent one, unless another has earned its turn, and not twice in a row. */
  #classToServe(packetBytes: number, from: number, classes: number): number {
    let first = -1;
    for (let i = from; i < classes; i++) {
      const queue = this.#classes[i] as ClassQueue;
      if (!this.#canSend(queue)) queue.credit = 0;
      else if (first < 0) first = i;
      else if (queue.credit >= packetBytes && !this.#passedOver) {
        queue.credit -= packetBytes;
        this.#passedOver = true;
        return i;
      }
    }
    this.#passedOver = false;
    return first;
  }

  /** True when the packet is full. */
  #fillFrom(queue: ClassQueue, writer: WireWriter): boolean {
    for (;;) {
      if (writer.room < usefulRoom) return true;
      const lost = this.#firstLost(queue);
      let full: boolean;
      if (lost !== undefined) full = this.#writeLost(queue, lost, writer);
      else {
        const messages = this.#canSendMessage(queue);
        const data = this.#canSendData(queue);
        if (!messages && !data) return false;
        if (!messages || !data) queue.messageLead = 0;
        full = messages && (!data || queue.messageLead <= 0) ? this.#writeNextMessage(queue, writer) : this.#writeNextData(queue, writer);
      }
      if (full) return true;
    }
  }

  #writeLost(queue: ClassQueue, piece: Piece, writer: WireWriter): boolean {
    const before = writer.length;
    queue.lost.shift();
    const room = writer.room - (piece.kind === 'data' ? dataHeaderBytes(piece.transfer, piece.offset) : messageHeaderBytes(piece.offset));
    const length = Math.min(room, piece.bytes.length);
    let sent = piece;
    if (length < piece.bytes.length) {
      // Packets are shorter now than they were: the rest follows in the next one.
      const [head, tail] = splitPiece(piece, length);
      sent = head;
      queue.lost.push(tail);
    }
    const full = this.#write(sent, writer);
    if (sent.kind === 'data' || sent.isData) this.#filling.repeatedBytes += writer.length - before;
    else this.#filling.messageBytes += writer.length - before;
    return full;
  }

  #writeNextMessage(queue: ClassQueue, writer: WireWriter): boolean {
    const before = writer.length;
    const { framed: message, isData } = queue.messages.first as QueuedMessage;
    const length = Math.min(writer.room - messageHeaderBytes(queue.streamOffset), message.length - queue.messageSent);
    const piece: Piece = {
      kind: 'message',
      priority: priorityClasses[this.#classes.indexOf(queue)] as PriorityClass,
      offset: queue.streamOffset,
      bytes: message.subarray(queue.messageSent, queue.messageSent + length),
      isData,
    };
    queue.messageSent += length;
    queue.streamOffset += length;
    queue.messageBytes -= length;
    queue.messageLead += length;
    if (queue.messageSent === message.length) {
      queue.messages.shift();
      queue.messageSent = 0;
    }
    const full = this.#write(piece, writer);
    if (isData) this.#filling.dataBytes += writer.length - before;
    else this.#filling.messageBytes += writer.length - before;
    return full;
  }

  #writeNextData(queue: ClassQueue, writer: WireWriter): boolean {
    const before = writer.length;
    const item = queue.data.first as DataItem;
    const offset = item.offset + queue.dataSent;
    const left = item.bytes.length - queue.dataSent;
    const length = Math.min(writer.room - dataHeaderBytes(item.transfer, offset), left);
    const piece: Piece = {
      kind: 'data',
      priority: priorityClasses[this.#classes.indexOf(queue)] as PriorityClass,
      position: this.#nextPosition,
      transfer: item.transfer,
      offset,
      bytes: item.bytes.subarray(queue.dataSent, queue.dataSent + length),
      last: item.last && length === left,
    };
    const positions = positionsOf(piece.bytes);
    this.#nextPosition += positions;
    queue.dataBytes -= positions;
    queue.messageLead -= positions;
    queue.dataSent += length;
    if (length === left) {
      queue.data.shift();
      queue.dataSent = 0;
      if (item.released !== undefined) this.#unreleased.push({ end: this.#nextPosition, released: item.released });
    }
    const full = this.#write(piece, writer);
    this.#filling.dataBytes += writer.length - before;
    return full;
  }

  /** Writes one frame. It claims the rest of the packet when too little room would be left behind it, and then the packet is full. */
  #write(piece: Piece, writer: WireWriter): boolean {
    const headerBytes = piece.kind === 'data' ? dataHeaderBytes(piece.transfer, piece.offset) : messageHeaderBytes(piece.offset);
    const fillsPacket = writer.room - headerBytes - piece.bytes.length < usefulRoom;
    if (piece.kind === 'data') writeData(writer, piece, fillsPacket);
    else writeMessage(writer, piece, fillsPacket);
    this.#filling.pieces.push(piece);
    return fillsPacket;
  }
}

function splitPiece(piece: Piece, length: number): [Piece, Piece] {
  const head = piece.bytes.subarray(0, length);
  const tail = piece.bytes.subarray(length);
  if (piece.kind === 'message') {
    return [
      { ...piece, bytes: head },
      { ...piece, offset: piece.offset + length, bytes: tail },
    ];
  }
  return [
    { ...piece, bytes: head, last: false },
    { ...piece, position: piece.position + length, offset: piece.offset + length, bytes: tail },
  ];
}
