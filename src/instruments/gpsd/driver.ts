import type { PositionFix } from '../../core/position-fix.ts';
import type { WallMs } from '../../core/time.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import { ByteLine } from '../byte-line.ts';
import type { DeviceDriver, InstrumentIdentity, InstrumentTimer, InstrumentTransport } from '../driver.ts';
import { type HeardRecord, type ListeningConfiguration, ListeningSession, type StreamDecoder } from '../listening.ts';
import { type GpsdPosition, type GpsdReport, type GpsdSky, instantOfText, ReportFinder, watchCommand } from './reports.ts';

/**
 * The driver for gpsd, the daemon that speaks with satellite receivers of every make, on TCP port 2947.
 *
 * gpsd knows the receiver and its week rollovers, fuses its messages and estimates errors. Two tables: `Position`, a record for each report with a position, and `Sky`, how many satellites there
 * were. Both are stamped with the satellites' time.
 */

/** TPV modes from here on have a position; from `modeWithHeight` on, a height. */
const modeWithPosition = 2;
const modeWithHeight = 3;

type Columns<Report> = readonly { readonly field: FieldDefinition; readonly value: (report: Report) => number | undefined }[];

function column<Report>(name: string, unit: string, value: (report: Report) => number | undefined): Columns<Report>[number] {
  return { field: { name, unit, processing: '', kind: 'number' }, value };
}

const positionColumns: Columns<GpsdPosition> = [
  column('Latitude', 'deg', ({ lat }) => lat),
  column('Longitude', 'deg', ({ lon }) => lon),
  column('AltitudeEllipsoid', 'm', ({ altHAE }) => altHAE),
  column('AltitudeSea', 'm', ({ altMSL, alt }) => altMSL ?? alt),
  column('Mode', '', ({ mode }) => mode),
  column('HorizontalError', 'm', horizontalError),
  column('VerticalError', 'm', ({ epv }) => epv),
  column('Speed', 'm/s', ({ speed }) => speed),
  column('Course', 'deg', ({ track }) => track),
  column('ClimbRate', 'm/s', ({ climb }) => climb),
];

const skyColumns: Columns<GpsdSky> = [
  column('SatellitesSeen', '', ({ nSat, satellites }) => nSat ?? satellites?.length),
  column('SatellitesUsed', '', ({ uSat, satellites }) => uSat ?? satellites?.filter(({ used }) => used === true).length),
  column('HDOP', '', ({ hdop }) => hdop),
  column('VDOP', '', ({ vdop }) => vdop),
  column('PDOP', '', ({ pdop }) => pdop),
];

function horizontalError({ eph, epx, epy }: GpsdPosition): number | undefined {
  return eph ?? (epx === undefined || epy === undefined ? undefined : Math.hypot(epx, epy));
}

function hasPosition({ mode = 0, lat, lon }: GpsdPosition): boolean {
  return mode >= modeWithPosition && lat !== undefined && lon !== undefined;
}

function rowOf<Report extends { readonly time?: string | undefined }>(
  table: string,
  columns: Columns<Report>,
  report: Report,
  wallMs: number,
): HeardRecord {
  const cells = columns.map(({ value }): Cell => {
    const number = value(report);
    return number === undefined ? null : String(number);
  });
  const localUs = instantOfText(report.time) ?? Math.round(wallMs * 1000);
  return { table, fields: columns.map(({ field }) => field), cells, stamp: { localUs, offsetMinutes: 0 } };
}

/** Reports to rows. */
class GpsdDecoder implements StreamDecoder {
  readonly #finder = new ReportFinder();
  #release = '';
  #receiver = '';

  push(bytes: Uint8Array, wallMs: number): HeardRecord[] {
    return this.#finder.push(bytes).flatMap((report) => this.#rows(report, wallMs));
  }

  identity(): Partial<InstrumentIdentity> {
    // gpsd finds out only with time what it speaks with; so it is no model, which would make another table revision of it.
    return { operatingSystem: ['gpsd', this.#release, this.#receiver].filter((text) => text !== '').join(' ') };
  }

  #rows(report: GpsdReport, wallMs: number): HeardRecord[] {
    switch (report.class) {
      case 'TPV':
        return hasPosition(report) ? [rowOf('Position', positionColumns, report, wallMs)] : [];
      case 'SKY':
        // Some receivers' skies come in two reports, and one of them has the satellites alone, or not even these.
        return report.satellites === undefined && report.hdop === undefined ? [] : [rowOf('Sky', skyColumns, report, wallMs)];
      case 'VERSION':
        this.#release = report.release;
        return [];
      case 'DEVICES':
        this.#receiver = report.devices[0]?.driver ?? '';
        return [];
    }
  }
}

/** The fix in a report; `undefined` when the receiver has none. */
export function positionFix(report: GpsdPosition, wallMs: number): PositionFix | undefined {
  const { lat, lon, mode = 0, altHAE, altMSL, alt, epv } = report;
  if (!hasPosition(report) || lat === undefined || lon === undefined) return undefined;
  const altitudeM = mode >= modeWithHeight ? (altHAE ?? altMSL ?? alt) : undefined;
  const horizontalAccuracyM = horizontalError(report);
  const instantUs = instantOfText(report.time);
  return {
    latitude: lat,
    longitude: lon,
    ...(altitudeM === undefined
      ? {}
      : { altitudeM, altitudeReference: altHAE === undefined ? ('mean-sea-level' as const) : ('ellipsoid' as const) }),
    datum: 'WGS 84',
    ...(horizontalAccuracyM === undefined ? {} : { horizontalAccuracyM }),
    ...(epv === undefined || altitudeM === undefined ? {} : { verticalAccuracyM: epv }),
    ...(instantUs === undefined ? {} : { instantUs }),
    receivedAtMs: wallMs as WallMs,
    source: 'gpsd',
  };
}

/**
 * Receivers behind gpsd; see the head of this module.
 *
 * `open` asks gpsd to report and rejects with `CONFIGURATION_INVALID` or as the connection fails, the transport closed. A visit without a fix yields no `Position`; one during which gpsd says nothing at all
 * is `INSTRUMENT_TIMEOUT` (retryable). Lines that are no report are left out, and are in the `raw` like everything else.
 *
 * @example
 * const session = await gpsdDriver.open({}, await openTransport('tcp://127.0.0.1:2947'), timer, signal);
 */
export const gpsdDriver: DeviceDriver<ListeningConfiguration> = {
  id: 'gpsd',
  capabilities: new Set(['identify', 'tables', 'collect', 'stream'] as const),
  async open(configuration, transport, timer, signal) {
    const line = new ByteLine(transport, timer, signal);
    try {
      const session = new ListeningSession(line, timer, new GpsdDecoder(), configuration);
      await line.write(watchCommand);
      return session;
    } catch (error) {
      await line.close();
      throw error;
    }
  },
};

/** Fixes from gpsd as they come, until the connection or the signal ends. Rejects with `INSTRUMENT_DISCONNECTED` or `ABORTED`; the transport is closed then, and when the caller stops. */
export async function* gpsdPositions(
  transport: InstrumentTransport,
  timer: InstrumentTimer,
  signal: AbortSignal,
): AsyncGenerator<PositionFix, void> {
  const line = new ByteLine(transport, timer, signal);
  const finder = new ReportFinder();
  try {
    await line.write(watchCommand);
    for (;;) {
      const bytes = await line.receive(Number.POSITIVE_INFINITY);
      for (const report of finder.push(bytes ?? new Uint8Array(0))) {
        const fix = report.class === 'TPV' ? positionFix(report, timer.wallMs()) : undefined;
        if (fix !== undefined) yield fix;
      }
    }
  } finally {
    await line.close();
  }
}
