import { type RowSurvey, RowSurveyor } from '../../../src/formats/row-survey.ts';
import type { SeriesTable } from '../../../src/formats/series-table.ts';

/** A look at all rows of a table. */
export function surveyOf(table: SeriesTable): RowSurvey {
  const surveyor = new RowSurveyor(table);
  for (const row of table.rows()) surveyor.add(row);
  return surveyor.result();
}
