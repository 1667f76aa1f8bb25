import { limits } from '../../core/limits.ts';
import { distinctNames } from '../distinct-names.ts';
import { type HeaderLines, type HeaderStep, withoutMark } from '../headed-text-reader.ts';
import type { FieldDefinition } from '../record-stream.ts';
import { type CnvClock, cnvClock, parseStartTime } from './cnv-clock.ts';
import type { CnvDefectCode } from './defects.ts';

/**
 * The header of a Sea-Bird `.cnv` file: lines of the instrument (`*`), of the operator (`**`) and of the processing programs (`#`), up to `*END*`.
 *
 * The names of the columns are `# name 0 = timeS: Time, Elapsed [seconds]`. From the rest the table takes single settings; calibrations and other XML, which make up most of a header, stay in
 * the raw file, as do the lowest and highest values (`span`), which say nothing that the rows do not.
 */

/** Settings that become attributes at most; a processing history has some forty lines. */
const attributesMax = 200;

/** What a header says about its rows. */
export interface CnvLayout {
  readonly columns: number;
  readonly clock: CnvClock;
  /** The number that stands for a value marked as bad, as written. */
  readonly badFlag: string;
  /** Rows so far, those that could not be used included, where rows are counted. */
  readonly rows: number;
}

/** Collects the lines of a header. */
export class CnvHeader implements HeaderLines<CnvDefectCode, CnvLayout> {
  private model = '';
  private serial = '';
  private station = '';
  private readonly attributes: Record<string, string> = {};
  private attributeCount = 0;
  private readonly names: { readonly name: string; readonly longName: string }[] = [];
  private inOrder = true;
  private notes = 0;

  add(line: string): HeaderStep<CnvDefectCode, CnvLayout> {
    const text = withoutMark(line).trimEnd();
    if (text === '*END*') return this.close();
    if (text.startsWith('**')) this.addNote(text.slice(2).trim());
    else if (text.startsWith('*')) this.addInstrumentLine(text.slice(1).trim());
    else if (text.startsWith('#')) this.addProcessingLine(text.slice(1).trim());
    else if (text !== '') return { refused: 'CNV_HEADER_MALFORMED' };
    return 'more';
  }

  private addNote(text: string): void {
    const [, station] = /^Station(?: Name)? *[:=] *(\S.*)$/i.exec(text) ?? [];
    if (station !== undefined) this.station = station;
    else if (text !== '') this.setAttribute(`note ${++this.notes}`, text);
  }

  private addInstrumentLine(text: string): void {
    const [, model] = /^Sea-Bird (.*?) +Data File:/.exec(text) ?? [];
    const [, serial] = /\bSerialNumber='([^']*)'/.exec(text) ?? [];
    if (model !== undefined) this.model = model;
    else if (serial !== undefined) this.serial ||= serial;
    else this.addSetting(text);
  }

  private addProcessingLine(text: string): void {
    const [, index, name = '', longName = ''] = /^name (\d{1,5}) = ([^:]*):? *(.*)$/.exec(text) ?? [];
    if (index !== undefined) {
      if (Number(index) !== this.names.length || name === '') this.inOrder = false;
      this.names.push({ name: name.trim(), longName });
    } else if (!text.startsWith('span ')) this.addSetting(text);
  }

  private addSetting(text: string): void {
    const [, name, value = ''] = /^([^<=]{0,47}[^<= ]) *= *(.*)$/.exec(text) ?? [];
    if (name !== undefined) this.setAttribute(name, value);
  }

  private setAttribute(name: string, value: string): void {
    if (name in this.attributes) return;
    if (this.attributeCount++ < attributesMax) this.attributes[name] = value;
  }

  private close(): HeaderStep<CnvDefectCode, CnvLayout> {
    const { names, attributes } = this;
    if (!this.inOrder || names.length === 0 || names.length > limits.fieldsPerTableMax || Number(attributes.nquan) !== names.length) {
      return { refused: 'CNV_HEADER_MALFORMED' };
    }
    if (attributes.file_type === 'binary') return { refused: 'CNV_BINARY' };
    const clock = this.clock();
    if (!clock) return { refused: 'CNV_NO_TIME' };
    const distinct = distinctNames(names.map(({ name }) => name));
    const fields = names.map(({ longName }, index): FieldDefinition => {
      const [, unit = ''] = /\[([^\]]*)\]/.exec(longName) ?? [];
      if (longName !== '') attributes[`name ${distinct[index]}`] = longName;
      return { name: distinct[index] as string, unit, processing: '', kind: 'number' };
    });
    const file = (attributes.FileName ?? '').replace(/^.*[\\/]/, '').replace(/\.[A-Za-z0-9]{1,6}$/, '');
    const table = { format: 'seabird-cnv', station: this.station, table: file, model: this.model, serial: this.serial, attributes, fields };
    const layout = { columns: names.length, clock, badFlag: attributes.bad_flag ?? '', rows: 0 };
    return { open: { table, layout }, withLine: true };
  }

  private clock(): CnvClock | undefined {
    const { attributes } = this;
    const start = parseStartTime(attributes.start_time ?? '');
    const gpsTime = parseStartTime(attributes['NMEA UTC (Time)'] ?? '');
    const [, seconds] = /^seconds: *(\d{1,6}(?:\.\d{1,9})?)$/.exec(attributes.interval ?? '') ?? [];
    // Where scans were skipped in front, the first row is not the one of the start.
    const countable = Number(attributes.datcnv_skipover ?? 0) === 0 || this.names.some(({ name }) => name === 'scan');
    const intervalSeconds = seconds === undefined || !countable ? undefined : Number(seconds);
    return cnvClock(
      this.names.map(({ name }) => name),
      start,
      intervalSeconds,
      start !== undefined && start.localUs === gpsTime?.localUs,
    );
  }
}
