import { limits } from '../core/limits.ts';
import { endOf, HeadedTextReader, type OpenTable } from './headed-text-reader.ts';
import { type DateOrder, DateOrderEvidence, stampUs, type WrittenStamp } from './hoboware-csv/date-order.ts';
import type { Piece } from './line-splitter.ts';

/**
 * A reader of lines whose dates do not say what is day and what is month, and that never guesses.
 *
 * Rows are held back, up to `heldBytesMax`, until a date settles the order: by a number that can only be a day or a year, or because the date changes between neighbouring rows (see
 * `DateOrderEvidence`). Then they are read in their turn. Held rows stay unconsumed: a position taken in the meantime points before them. When a file ends, or too much is held, without
 * anything that settles the order, the file cannot be used: a wrong date is worse than none.
 *
 * Dates with points are never month first: no country writes them so (Unicode CLDR, date formats of all locales).
 */

/** Memory of the rows held back at most: some 20,000 rows. */
const heldBytesMax = 8 * limits.instrumentLineBytesMax;
/** What holding a piece costs beyond its bytes, so that a million blank lines count too. */
const heldPieceBytes = 64;

/** What a layout says about dates. */
export interface DatedLayout {
  /** The order of day, month and year; `open` while it is not known; `none` where dates are not ambiguous. */
  readonly dateOrder: DateOrder | 'open' | 'none';
  /** Whether a date has been seen that is possible in that order only. Until then a date that is possible in another order only shows that the order was mistaken. */
  readonly dateOrderProved: boolean;
}

/** A piece of the file that waits for a later line, with its own copy of the bytes. */
interface HeldPiece {
  readonly piece: Piece;
  readonly bytes: Uint8Array;
}

/** Orders in which the fields of a stamp may stand. */
function candidates(stamp: WrittenStamp): readonly DateOrder[] {
  return stamp.points ? ['dmy', 'ymd'] : ['mdy', 'dmy', 'ymd'];
}

/** Reader of one file of lines with dates of unknown order. */
export abstract class DateOrderReader<Code extends string, Layout extends DatedLayout> extends HeadedTextReader<Code, Layout> {
  /** The file's code for an order that cannot be known, and for one that turned out mistaken. */
  protected abstract readonly dateOrderCodes: { readonly ambiguous: Code; readonly mistaken: Code; readonly badStamp: Code };
  private evidence: DateOrderEvidence | undefined;
  private held: HeldPiece[] = [];
  private heldBytes = 0;
  /** Whether every date held is the same in all orders that are possible for it, as 5 May is. */
  private indifferent = true;

  /** The date and time in the row in [from, to), as written, or `undefined` when the row has none. */
  protected abstract writtenStamp(open: OpenTable<Layout>, bytes: Uint8Array, from: number, to: number): WrittenStamp | undefined;

  protected override acceptBody(piece: Piece, bytes: Uint8Array): void {
    const { open } = this;
    if (open?.layout.dateOrder === 'open') this.hold(open, piece, bytes);
    else super.acceptBody(piece, bytes);
  }

  protected override finishRows(): void {
    const last = this.held.at(-1);
    if (!last) return;
    const order = this.evidence?.decided ?? (this.indifferent ? (this.evidence?.possible[0] ?? 'ymd') : undefined);
    if (order) this.settle(order);
    else this.giveUp(endOf(last.piece));
  }

  /** Microseconds of a stamp in the order that the layout names, or why it has none. */
  protected resolve(open: OpenTable<Layout>, stamp: WrittenStamp): number | Code {
    const { badStamp, mistaken } = this.dateOrderCodes;
    const { dateOrder, dateOrderProved } = open.layout;
    if (dateOrder === 'open' || dateOrder === 'none') return badStamp;
    const localUs = stampUs(stamp, dateOrder);
    if (dateOrderProved) return localUs ?? badStamp;
    const possibleOtherwise = candidates(stamp).some((order) => order !== dateOrder && stampUs(stamp, order) !== undefined);
    if (localUs === undefined) return possibleOtherwise ? mistaken : badStamp;
    if (!possibleOtherwise) this.open = { ...open, layout: { ...open.layout, dateOrderProved: true } };
    return localUs;
  }

  private hold(open: OpenTable<Layout>, piece: Piece, bytes: Uint8Array): void {
    if (piece.kind === 'line' || piece.kind === 'rest') {
      const stamp = this.writtenStamp(open, bytes, piece.from, piece.textTo);
      if (stamp) this.look(stamp);
    }
    this.held.push({
      piece: { ...piece, from: 0, textTo: piece.textTo - piece.from, to: piece.to - piece.from },
      bytes: bytes.slice(piece.from, piece.to),
    });
    this.heldBytes += piece.to - piece.from + heldPieceBytes;
    if (this.evidence?.decided) this.settle(this.evidence.decided);
    else if (this.heldBytes >= heldBytesMax) this.giveUp(endOf(piece));
  }

  private look(stamp: WrittenStamp): void {
    this.evidence ??= new DateOrderEvidence(candidates(stamp));
    this.evidence.add(stamp);
    const instants = new Set(this.evidence.possible.map((order) => stampUs(stamp, order)));
    if (instants.size > 1) this.indifferent = false;
  }

  private giveUp(end: number): void {
    this.forget();
    this.fail(this.dateOrderCodes.ambiguous, end);
  }

  /** Fixes the order and reads what was held back. */
  private settle(order: DateOrder): void {
    const { open, held, evidence } = this;
    this.forget();
    if (!open) return;
    this.open = { ...open, layout: { ...open.layout, dateOrder: order, dateOrderProved: evidence?.possible.length === 1 } };
    for (const { piece, bytes } of held) super.acceptBody(piece, bytes);
  }

  private forget(): void {
    this.evidence = undefined;
    this.held = [];
    this.heldBytes = 0;
    this.indifferent = true;
  }
}
