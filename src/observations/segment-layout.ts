import { IntegerModels } from './segment-integers.ts';

/**
 * What the writer and the reader of a segment must agree on: the numbers that stand for things, the models they share, and what each predictor expects.
 */

/** Units that times are counted in, in microseconds: minute data need no more than minutes, ten-hertz data milliseconds. The largest that divides every time is used. */
export const timeUnitsUs = [1, 1_000, 1_000_000, 60_000_000, 3_600_000_000] as const;

/** Class of a cell that is a number of the column's series. */
export const classNumber = 0;
/** Class of a cell that holds nothing. */
export const classNothing = 1;
/** Class of a string that this column has not had yet. */
export const classNewText = 2;
/** Class of the column's first string; the next has the next class. */
export const classTexts = 3;

/** Expects the value of the row above. */
export const predictPrevious = 0;
/** Expects the line through the two rows above to go on. */
export const predictLine = 1;
/** Expects nothing: values jump about. */
export const predictZero = 2;
/** Expects the value of the reference column. */
export const predictReference = 3;
/** Expects the change that the reference column made since the row above. */
export const predictReferenceStep = 4;

/** The models that are shared by all columns of a segment. What is learnt at one column helps at the next. */
export class SharedModels {
  readonly header = new IntegerModels();
  readonly predictor = new IntegerModels();
  readonly reference = new IntegerModels();
  readonly style = [new IntegerModels(), new IntegerModels(), new IntegerModels(), new IntegerModels()] as const;
  readonly first = new IntegerModels();
  readonly textLength = new IntegerModels();
}

/** What `predictor` expects in `row`. `values` need only be known above the row, `reference` up to it. */
export function predict(predictor: number, values: Float64Array, reference: Float64Array, row: number): number {
  if (predictor === predictZero) return 0;
  if (predictor === predictReference) return reference[row] as number;
  if (row === 0) return predictor === predictReferenceStep ? (reference[0] as number) : 0;
  const previous = values[row - 1] as number;
  if (predictor === predictPrevious) return previous;
  if (predictor === predictReferenceStep) return previous + (reference[row] as number) - (reference[row - 1] as number);
  return row === 1 ? previous : 2 * previous - (values[row - 2] as number);
}
