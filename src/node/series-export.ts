import { toHex } from '../core/bytes.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { SeriesRow, SeriesTable } from '../formats/series-table.ts';
import type { ObservationStore, TableSummary } from '../observations/observation-store.ts';
import type { StoredRow } from '../observations/row-store.ts';

/** QARTOD: not evaluated, and missing. */
const notEvaluated = 2;
const missing = 9;

/** The tables of a dataset as exporters read them, one for every table revision that has rows. */
export function seriesTables(observations: ObservationStore, dataset: DatasetId): SeriesTable[] {
  return observations
    .tables(dataset)
    .filter((summary) => summary.rows > 0)
    .map((summary) => seriesTable(observations, dataset, summary));
}

function seriesTable(observations: ObservationStore, dataset: DatasetId, { revision, rows }: TableSummary): SeriesTable {
  const { position, intervalUs } = revision;
  const numeric = revision.fields.map((field) => field.kind === 'number');
  return {
    station: {
      identifier: revision.stationId,
      name: revision.stationName,
      ...(position === undefined
        ? {}
        : {
            latitude: position.latitude,
            longitude: position.longitude,
            ...(position.altitudeM === undefined ? {} : { altitudeM: position.altitudeM }),
            positionMethod: position.method,
            ...(position.datum === undefined ? {} : { positionDatum: position.datum }),
            ...(position.accuracyM === undefined ? {} : { positionAccuracyM: position.accuracyM }),
            ...(position.instantUs === undefined ? {} : { positionInstantUs: position.instantUs }),
          }),
    },
    table: revision.table,
    format: revision.format,
    loggerModel: revision.model,
    loggerSerial: revision.serial,
    fields: revision.fields,
    rowCount: rows,
    ...(intervalUs === undefined ? {} : { intervalUs }),
    attributes: { ...revision.attributes, table_revision: toHex(revision.id) },
    *rows() {
      for (const row of observations.rows(dataset, revision.id)) yield withFlags(row, numeric);
    },
  };
}

/** A row that nobody has checked says so in every field; an empty cell and a logger's own NAN are missing. */
function withFlags(row: StoredRow, numeric: readonly boolean[]): SeriesRow {
  const { timeUs, recordNumber, cells } = row;
  const flags =
    row.flags ??
    Uint8Array.from(cells, (cell, index) =>
      cell === null || cell === '' || (numeric[index] && cell.toUpperCase() === 'NAN') ? missing : notEvaluated,
    );
  return { timeUs, ...(recordNumber === undefined ? {} : { recordNumber }), cells, flags };
}
