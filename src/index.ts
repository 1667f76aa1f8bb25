/**
 * Godwit moves environmental data between field sites that are rarely, badly or never connected. This is the whole public interface; everything else is an implementation detail.
 */
export { GodwitError } from './core/errors.ts';
export type { DatasetId, Hash, NodeId, TeamId } from './core/identifiers.ts';
export type { Fault } from './core/outcome.ts';
export type { PositionFix } from './core/position-fix.ts';
export type { PriorityClass } from './core/priority.ts';
export type { ClockQuality } from './core/time.ts';
export type { Attributes, FileState, Position } from './datasets/entry-body.ts';
export type { Conflict, FileRevision } from './datasets/file-index.ts';
export type { Dot } from './datasets/log.ts';
export type { ScanOptions, TreeProblem } from './datasets/working-tree.ts';
export type { ExportReport } from './formats/series-table.ts';
export { type CampbellHttpConfiguration, campbellHttpDriver, type FirstRecords } from './instruments/campbell-http/driver.ts';
export type { DeviceDriver } from './instruments/driver.ts';
export { gpsdDriver, gpsdPositions } from './instruments/gpsd/driver.ts';
export type { ListeningConfiguration } from './instruments/listening.ts';
export { type ModbusConfiguration, modbusDriver } from './instruments/modbus/driver.ts';
export type { ModbusTable, RegisterDefinition } from './instruments/modbus/register-map.ts';
export { nmeaDriver, nmeaPositions } from './instruments/nmea/driver.ts';
export { type PakbusConfiguration, pakbusDriver } from './instruments/pakbus/driver.ts';
export { type Sdi12Configuration, type Sdi12Measurement, sdi12Driver } from './instruments/sdi12/driver.ts';
export type { Duty } from './node/duties.ts';
export type { PeerTraffic } from './node/engine.ts';
export type { Delivery, FieldNode, FieldNodeEvent, FileInfo, ScanReport } from './node/field-node.ts';
export type { IngestReport, SiteProfile } from './node/ingest.ts';
export type { ConflictPolicy, DatasetDefinition, DatasetKind, Member, Role } from './node/membership.ts';
export type { ExportFormat } from './node/platform.ts';
export type { IngestCounts, QuarantinedPiece } from './observations/ingest-ledger.ts';
export type { Gap, LoggerEvent, StoredRow, TableSummary } from './observations/observation-store.ts';
export type { TableRevision } from './observations/table-revision.ts';
export { type OpenNodeOptions, openNode } from './open-node.ts';
