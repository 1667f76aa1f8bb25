import type { Outcome } from '../../core/outcome.ts';
import { ItemTrail, type RecordContent } from '../../formats/item-trail.ts';
import { PushBuffer } from '../../formats/push-buffer.ts';
import type { FormatReader, ParsedItem, RecordFormat, TableDefinition } from '../../formats/record-stream.ts';

/**
 * A message as a small file: what a decoder makes of all of its bytes, in the terms that files are ingested in. So a message is archived, quarantined and counted like any other source.
 */

/** What a message says: records of one table. */
export interface DecodedMessage {
  readonly table: TableDefinition;
  readonly records: readonly RecordContent[];
}

/** Decodes a whole message. Never throws; a fault's code becomes the defect's. */
export type MessageDecoder = (payload: Uint8Array) => Outcome<readonly DecodedMessage[]>;

class MessageReader implements FormatReader {
  private readonly decode: MessageDecoder;
  private readonly buffer = new PushBuffer(0);
  private readonly trail = new ItemTrail(0);
  private table: TableDefinition | undefined;

  constructor(decode: MessageDecoder) {
    this.decode = decode;
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    return [];
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    const { bytes } = this.buffer;
    if (!complete || this.trail.offset === bytes.length) return [];
    const decoded = this.decode(bytes);
    if (!decoded.ok) {
      const { code, message } = decoded.fault;
      this.trail.defect(bytes.length, code, { scope: 'file', message });
      return this.trail.take();
    }
    // Every item is said by the message as a whole; its bytes are counted once, behind them.
    for (const { table, records } of decoded.value) {
      this.table = table;
      this.trail.table(0, table);
      for (const record of records) this.trail.record(0, record);
    }
    this.trail.other(bytes.length);
    return this.trail.take();
  }

  position() {
    return { offset: this.trail.offset, ...(this.table && { table: this.table }) };
  }
}

/** A format for one message that is known to be of it. */
export function messageFormat(id: string, decode: MessageDecoder): RecordFormat {
  return { id, sniff: () => 1, reader: () => new MessageReader(decode) };
}
