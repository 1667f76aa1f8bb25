import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * What is asked of a Modbus device, and what it answers, without the frame around it: the protocol data unit.
 *
 *     request    function u8, first address u16, count u16
 *     answer     function u8, byte count u8, data
 *     exception  function u8 | 0x80, exception u8
 *
 * Numbers are big-endian. Only the four functions that read are spoken: nothing here can change a device.
 *
 * Source: MODBUS Application Protocol Specification V1.1b3, 6.1 to 6.4 and 7.
 */

/** The four kinds of data a device has, by the function that reads them. */
export const readFunctions = {
  coil: 1,
  'discrete-input': 2,
  'holding-register': 3,
  'input-register': 4,
} as const;

/** A kind of data: coils and discrete inputs are bits, holding and input registers are words of 16 bits. */
export type RegisterKind = keyof typeof readFunctions;

/** True for the kinds that are single bits. */
export function isBitKind(kind: RegisterKind): boolean {
  return readFunctions[kind] <= 2;
}

/** Most registers that one request may read. */
export const registersPerRequestMax = 125;
/** Most bits that one request may read. */
export const bitsPerRequestMax = 2000;

/** One read: `count` bits or registers from `address` on. */
export interface ReadRequest {
  readonly kind: RegisterKind;
  /** 0 to 65535, as it stands in the message: register "40001" of a manual is address 0 of the holding registers. */
  readonly address: number;
  readonly count: number;
}

const exceptionBit = 0x80;

/** Protocol data unit of a request. */
export function encodeRequest({ kind, address, count }: ReadRequest): Uint8Array {
  return Uint8Array.of(readFunctions[kind], address >>> 8, address & 0xff, count >>> 8, count & 0xff);
}

/** Bytes of data in the answer to a request. */
export function answerDataBytes({ kind, count }: ReadRequest): number {
  return isBitKind(kind) ? Math.ceil(count / 8) : count * 2;
}

/** Protocol data unit of an answer, as a device makes it. */
export function encodeAnswer(kind: RegisterKind, data: Uint8Array): Uint8Array {
  const pdu = new Uint8Array(2 + data.length);
  pdu.set([readFunctions[kind], data.length]);
  pdu.set(data, 2);
  return pdu;
}

/** Protocol data unit of an exception, as a device makes it. */
export function encodeException(functionCode: number, exception: number): Uint8Array {
  return Uint8Array.of(functionCode | exceptionBit, exception);
}

/** True when a protocol data unit begins like the answer, or the exception, to a request. */
export function answers(request: ReadRequest, functionCode: number): boolean {
  return (functionCode & ~exceptionBit) === readFunctions[request.kind];
}

/** True for the function code of an exception. */
export function isException(functionCode: number): boolean {
  return (functionCode & exceptionBit) !== 0;
}

/** What a device means by an exception, and how this node says it. */
interface Exception {
  readonly code: string;
  readonly meaning: string;
}

const exceptions: ReadonlyMap<number, Exception> = new Map([
  [1, { code: 'INSTRUMENT_REFUSED', meaning: 'it does not have this function' }],
  [2, { code: 'INSTRUMENT_REFUSED', meaning: 'it does not have these addresses' }],
  [3, { code: 'INSTRUMENT_REFUSED', meaning: 'it does not read so many at once' }],
  [4, { code: 'MODBUS_DEVICE_FAILURE', meaning: 'it failed while reading' }],
  [5, { code: 'INSTRUMENT_BUSY', meaning: 'it needs more time' }],
  [6, { code: 'INSTRUMENT_BUSY', meaning: 'it is busy' }],
  [8, { code: 'MODBUS_DEVICE_FAILURE', meaning: 'its memory is damaged' }],
  [10, { code: 'INSTRUMENT_TIMEOUT', meaning: 'the gateway has no way to it' }],
  [11, { code: 'INSTRUMENT_TIMEOUT', meaning: 'it does not answer the gateway' }],
]);

/**
 * The data in an answer to a request. Fails with `MODBUS_MALFORMED`, or with what an exception means: `INSTRUMENT_REFUSED` (the same question will not be answered later either),
 * `INSTRUMENT_BUSY`, `INSTRUMENT_TIMEOUT` (a gateway did not reach the device), `MODBUS_DEVICE_FAILURE`.
 */
export function decodeAnswer(request: ReadRequest, pdu: Uint8Array): Outcome<Uint8Array> {
  const [functionCode = 0, second = 0] = pdu;
  if (pdu.length < 2 || !answers(request, functionCode)) return malformed('an answer is not one to what was asked');
  const where = `${request.kind} ${request.address} (${request.count})`;
  if (isException(functionCode)) {
    if (pdu.length !== 2) return malformed('an exception is too long');
    const { code, meaning } = exceptions.get(second) ?? { code: 'MODBUS_DEVICE_FAILURE', meaning: 'it does not say why' };
    return failure(code, 'instrument', `the device does not read ${where}: ${meaning} (exception ${second})`);
  }
  const lengthBytes = answerDataBytes(request);
  if (second !== lengthBytes || pdu.length !== 2 + lengthBytes) return malformed(`the answer to ${where} has the wrong length`);
  return success(pdu.subarray(2));
}

/** The request in a protocol data unit, as a device reads it; `undefined` when it is none of the four. */
export function decodeRequest(pdu: Uint8Array): ReadRequest | undefined {
  const [functionCode = 0, addressHigh = 0, addressLow = 0, countHigh = 0, countLow = 0] = pdu;
  const found = Object.entries(readFunctions).find(([, code]) => code === functionCode);
  if (found === undefined || pdu.length !== 5) return undefined;
  return { kind: found[0] as RegisterKind, address: addressHigh * 256 + addressLow, count: countHigh * 256 + countLow };
}

function malformed(message: string): Outcome<never> {
  return failure('MODBUS_MALFORMED', 'instrument', message);
}
