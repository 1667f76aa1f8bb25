import { fromHex, toHex } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type ShortName, shortNameBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';

/**
 * Cells: what neighbours say to each other about circuits. Each is one deterministic CBOR array that begins with its number:
 *
 *      1 open     [1, label, hops left, credit, [member (8), …]]    a new circuit, by way of these members to the last of them; none: to wherever the receiver knows
 *      2 accept   [2, label, credit]                                the far end has taken it
 *      3 data     [3, label, bytes]                                 the next bytes of the stream
 *      4 credit   [4, label, bytes]                                 so many bytes more may come
 *      5 close    [5, label, reason]                                the circuit is no more
 *
 * A label names a circuit between two neighbours in one session and nowhere else. Each side counts its own from 0; on the wire it is twice that, and one more where the receiver has chosen it. *Credit* is a number of bytes of data cells
 * that the receiver may send on this circuit beside what it was allowed before.
 */

/** Why a circuit ended. `done`: an end closed it. `no-route`: a relay knows no way on. `busy`: a relay or the far end takes no more. `too-far`: too many hops. `lost`: a hop on the way broke. `timeout`: no answer came. */
export const circuitReasons = ['done', 'no-route', 'busy', 'too-far', 'lost', 'timeout'] as const;

/** One of the reasons. */
export type CircuitReason = (typeof circuitReasons)[number];

/** A circuit between two neighbours: the number, and whether it was chosen by the one who speaks. */
export interface CircuitLabel {
  readonly number: number;
  readonly isSpeakers: boolean;
}

/** One thing said about a circuit. */
export type CircuitCell = { readonly label: CircuitLabel } & (
  | { readonly type: 'open'; readonly hopsLeft: number; readonly creditBytes: number; readonly members: readonly ShortName[] }
  | { readonly type: 'accept'; readonly creditBytes: number }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'credit'; readonly creditBytes: number }
  | { readonly type: 'close'; readonly reason: CircuitReason }
);

/** Hops of a circuit at most. */
export const circuitHopsMax = 8;
/** Members that an `open` may name: who is asked for, and by way of whom. */
export const circuitMembersMax = 4;
/** Bytes that one cell may allow. More is never useful, and a sum of them stays a safe integer. */
export const cellCreditBytesMax = 2 ** 24;
const labelMax = 2 ** 31;

/** Bytes of a cell. */
export function encodeCell(cell: CircuitCell): Uint8Array {
  return encodeCbor(toCbor(cell));
}

function toCbor(cell: CircuitCell): CborValue {
  const label = 2 * cell.label.number + (cell.label.isSpeakers ? 0 : 1);
  switch (cell.type) {
    case 'open':
      return [1, label, cell.hopsLeft, cell.creditBytes, cell.members.map(fromHex)];
    case 'accept':
      return [2, label, cell.creditBytes];
    case 'data':
      return [3, label, cell.bytes];
    case 'credit':
      return [4, label, cell.creditBytes];
    case 'close':
      return [5, label, circuitReasons.indexOf(cell.reason)];
  }
}

/** The cell in these bytes, with the label as its speaker means it. `CIRCUIT_MALFORMED` (peer) when it breaks the format. */
export function decodeCell(encoded: Uint8Array): Outcome<CircuitCell> {
  const decoded = decodeCbor(encoded);
  if (!decoded.ok) return decoded;
  const cell = Array.isArray(decoded.value) ? fromCbor(decoded.value as unknown[]) : undefined;
  return cell === undefined ? failure('CIRCUIT_MALFORMED', 'peer', 'a cell of a circuit is not of its format') : success(cell);
}

function fromCbor(values: readonly unknown[]): CircuitCell | undefined {
  const [kind, name, third, fourth, fifth] = values;
  if (!isIntegerUpTo(name, 2 * labelMax + 1)) return undefined;
  const label: CircuitLabel = { number: Math.floor(name / 2), isSpeakers: name % 2 === 0 };
  if (kind === 1) {
    const members = values.length === 5 && Array.isArray(fifth) ? namesOf(fifth) : undefined;
    if (members === undefined || !label.isSpeakers || !isIntegerUpTo(third, circuitHopsMax - 1)) return undefined;
    return isIntegerUpTo(fourth, cellCreditBytesMax) ? { type: 'open', label, hopsLeft: third, creditBytes: fourth, members } : undefined;
  }
  if (values.length !== 3) return undefined;
  if (kind === 2) return isIntegerUpTo(third, cellCreditBytesMax) ? { type: 'accept', label, creditBytes: third } : undefined;
  if (kind === 3) {
    const isData = third instanceof Uint8Array && third.length > 0 && third.length <= limits.circuitCellBytesMax;
    return isData ? { type: 'data', label, bytes: third } : undefined;
  }
  if (kind === 4) return isIntegerUpTo(third, cellCreditBytesMax) ? { type: 'credit', label, creditBytes: third } : undefined;
  const reason = kind === 5 && typeof third === 'number' ? circuitReasons[third] : undefined;
  return reason === undefined ? undefined : { type: 'close', label, reason };
}

function namesOf(values: readonly unknown[]): ShortName[] | undefined {
  if (values.length > circuitMembersMax) return undefined;
  const names: ShortName[] = [];
  for (const value of values) {
    if (!(value instanceof Uint8Array) || value.length !== shortNameBytes) return undefined;
    names.push(toHex(value) as ShortName);
  }
  return names;
}

function isIntegerUpTo(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}
