import { setImmediate } from 'node:timers/promises';
import { type RowSurvey, RowSurveyor } from '../formats/row-survey.ts';
import { checkRowCount, type SeriesTable } from '../formats/series-table.ts';

/** Cells looked at between two turns of the event loop: some tens of milliseconds of work on a small field computer. */
const cellsPerTurn = 65_536;

/**
 * Looks at every row of every table before an export begins to write.
 *
 * @returns one survey a table, in the same order.
 * @throws GodwitError `EXPORT_FAILED` when a row does not fit its table or there are not as many as announced.
 */
export async function surveyTables(tables: readonly SeriesTable[]): Promise<RowSurvey[]> {
  const surveys: RowSurvey[] = [];
  for (const table of tables) {
    const surveyor = new RowSurveyor(table);
    let cells = 0;
    for (const row of table.rows()) {
      surveyor.add(row);
      cells += row.cells.length + 1;
      if (cells >= cellsPerTurn) {
        cells = 0;
        await setImmediate();
      }
    }
    const survey = surveyor.result();
    checkRowCount(table, survey.rowCount);
    surveys.push(survey);
  }
  return surveys;
}
