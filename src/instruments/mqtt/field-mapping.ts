import * as v from 'valibot';
import type { JsonValue } from '../../formats/csijson/json-value.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import { isJsonPointer, scalarText, valueAt } from './json-pointer.ts';

/** Fields of a table declared by where their values stand in a message. */

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
/** A JSON pointer in data of foreign origin. */
export const pointerShape = v.pipe(v.string(), v.maxLength(1024), v.check(isJsonPointer, 'not a JSON pointer, as /object/temperature'));

/** A `FieldMapping` in data of foreign origin. */
export const fieldMappingShape = v.strictObject({
  name: text,
  pointer: pointerShape,
  unit: v.optional(v.pipe(v.string(), v.maxLength(64))),
  /** How the instrument made the value: `Avg`, `Max`, `Smp`… */
  processing: v.optional(v.pipe(v.string(), v.maxLength(64))),
  kind: v.optional(v.picklist(['number', 'text', 'boolean'])),
  missing: v.optional(v.pipe(v.array(v.string()), v.maxLength(32))),
});

/**
 * One field: its name, where its value stands (a JSON pointer), its unit, what kind of value it is (`number` by default), and the texts that mean "no value" in it (`-9999`): nothing else is taken for
 * missing.
 */
export type FieldMapping = v.InferOutput<typeof fieldMappingShape>;

const numberText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;

/** The field that a mapping declares. */
export function fieldOf({ name, unit = '', processing = '', kind = 'number' }: FieldMapping): FieldDefinition {
  return { name, unit, processing, kind };
}

/** The cell that a text is: `null` when it is declared to mean nothing, `undefined` when it is no value of the field's kind. */
export function cellOf(value: string, kind: FieldDefinition['kind'], missing: readonly string[] = []): Cell | undefined {
  if (value === '' || missing.includes(value)) return null;
  if (kind === 'number' && !numberText.test(value) && !/^[+-]?(?:nan|inf)$/i.test(value)) return undefined;
  return kind !== 'boolean' || value === 'true' || value === 'false' ? value : undefined;
}

/** Cells of a message; an absent value or `null` is an empty cell. `undefined` when a value is not of its field's kind, or all of them are absent. */
export function cellsOf(root: JsonValue, fields: readonly FieldMapping[]): Cell[] | undefined {
  const cells: Cell[] = [];
  let found = 0;
  for (const { pointer, kind = 'number', missing } of fields) {
    const value = valueAt(root, pointer);
    if (value === undefined || value.type === 'null') {
      cells.push(null);
      continue;
    }
    const scalar = scalarText(value);
    const cell = scalar === undefined ? undefined : cellOf(scalar, kind, missing);
    if (cell === undefined) return undefined;
    found++;
    cells.push(cell);
  }
  return found === 0 ? undefined : cells;
}
