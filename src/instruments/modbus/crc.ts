/**
 * The checksum of a Modbus RTU frame: CRC-16 with the reversed polynomial 0xA001, beginning at 0xFFFF. It travels with its low byte first.
 *
 * Source: MODBUS over Serial Line, Specification and Implementation Guide V1.02, 6.2.2.
 */
export function modbusCrc(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}
