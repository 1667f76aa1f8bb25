import { limits } from '../../core/limits.ts';
import type { RecordContent } from '../item-trail.ts';
import type { Cell, TableDefinition } from '../record-stream.ts';
import { type CsiField, csiTable, parseCsiTime } from './csi-table.ts';
import type { CsixmlDefectCode } from './defects.ts';
import type { Tag } from './markup.ts';

/** Characters that a head may hold: as many fields as a table may have. */
const headLengthMax = 4 * limits.instrumentLineBytesMax;
/** Characters that the values of a record may hold. */
const recordLengthMax = limits.instrumentLineBytesMax;

/** Elements of `environment` that are used. */
const environmentNames = new Set(['station-name', 'table-name', 'model', 'serial-no', 'os-version', 'dld-name', 'dld-sig']);

/** A head while it is being read. */
export class OpenHead {
  /** True when something in it was torn. */
  isTorn = false;
  private readonly texts = new Map<string, string>();
  private readonly fields: CsiField[] = [];
  private length = 0;

  /** Adds the text of an element of `environment`, for example `station-name`. */
  addText(name: string, text: string): void {
    if (environmentNames.has(name)) this.texts.set(name, text.trim());
  }

  /** Adds a field by its tag. */
  addField({ attributes }: Tag): void {
    const text = (name: string) => attributes.get(name) ?? '';
    const field = { name: text('name'), type: text('type'), units: text('units'), process: text('process') };
    this.length += field.name.length + field.type.length + field.units.length + field.process.length;
    if (this.length > headLengthMax || this.fields.length === limits.fieldsPerTableMax) this.isTorn = true;
    else this.fields.push(field);
  }

  /** The table that the head defines; `undefined` when it defines none. */
  table(): TableDefinition | undefined {
    if (this.isTorn) return undefined;
    const text = (name: string) => this.texts.get(name) ?? '';
    return csiTable(
      'csixml',
      {
        station: text('station-name'),
        table: text('table-name'),
        model: text('model'),
        serial: text('serial-no'),
        operatingSystem: text('os-version'),
        program: text('dld-name'),
        signature: text('dld-sig'),
      },
      this.fields,
    );
  }
}

/** A record while it is being read. */
export class OpenRecord {
  /** True when something in it was torn or does not belong there. */
  isTorn = false;
  private readonly tag: Tag;
  private readonly cells: Cell[] = [];
  private length = 0;

  constructor(tag: Tag) {
    this.tag = tag;
  }

  /** Adds the value of the element `name`, which must be the next one. */
  addValue(name: string, text: string): void {
    const value = text.trim();
    this.length += value.length;
    const isNext = name === `v${this.cells.length + 1}` && this.cells.length < limits.fieldsPerTableMax;
    if (!isNext || this.length > recordLengthMax) this.isTorn = true;
    else this.cells.push(value === '' ? null : value);
  }

  /** The record, or why it is none. */
  content(table: TableDefinition): RecordContent | CsixmlDefectCode {
    if (this.isTorn) return 'CSIXML_BAD_RECORD';
    if (this.cells.length !== table.fields.length) return 'CSIXML_COLUMN_COUNT';
    const localUs = parseCsiTime(this.tag.attributes.get('time') ?? '');
    if (localUs === undefined) return 'CSIXML_BAD_STAMP';
    const number = this.tag.attributes.get('no');
    if (number !== undefined && !/^\d{1,15}$/.test(number)) return 'CSIXML_BAD_RECORD_NUMBER';
    return { stamp: { localUs }, ...(number !== undefined && { recordNumber: Number(number) }), cells: this.cells };
  }
}
