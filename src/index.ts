/**
 * Godwit moves environmental data between field sites that are rarely, badly or never connected. This is the whole public interface; everything else is an implementation detail.
 */

export type { LinkClass } from './bandwidth/link-class.ts';
export type { Cost, Estimate, QuotedLink } from './bandwidth/quote.ts';
export { GodwitError } from './core/errors.ts';
export type { DatasetId, Hash, NodeId, TeamId } from './core/identifiers.ts';
export type { Fault } from './core/outcome.ts';
export type { PositionFix } from './core/position-fix.ts';
export type { PriorityClass } from './core/priority.ts';
export type { ClockQuality } from './core/time.ts';
export type { Attributes, FileState, Position } from './datasets/entry-body.ts';
export type { Conflict, FileRevision } from './datasets/file-index.ts';
export type { CollectionReport } from './datasets/garbage-collection.ts';
export type { Dot } from './datasets/log-entry.ts';
export type { ChangedPlace, ContentDifference } from './datasets/merge/content-diff.ts';
export type { DamagedContent, DamagedHome } from './datasets/verification.ts';
export type { ScanOptions, TreeProblem } from './datasets/working-tree.ts';
export type { ExportReport } from './formats/series-table.ts';
export type { ContactWindow, Forecast } from './forwarding/contact-windows.ts';
export type { QueuedDelivery } from './forwarding/delivery-queue.ts';
export type { PriorityRule } from './forwarding/priority-rules.ts';
export { type CampbellHttpConfiguration, campbellHttpDriver, type FirstRecords } from './instruments/campbell-http/driver.ts';
export type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentTable,
  InstrumentTimer,
  InstrumentTransport,
} from './instruments/driver.ts';
export { gpsdDriver, gpsdPositions } from './instruments/gpsd/driver.ts';
export { type HobolinkConfiguration, hobolinkDriver } from './instruments/hobolink/driver.ts';
export type { HobolinkUnits } from './instruments/hobolink/observations.ts';
export type { ListeningConfiguration } from './instruments/listening.ts';
export { type ModbusConfiguration, modbusDriver } from './instruments/modbus/driver.ts';
export type { ModbusTable, RegisterDefinition } from './instruments/modbus/register-map.ts';
export type { FieldMapping } from './instruments/mqtt/field-mapping.ts';
export type { TopicMapping } from './instruments/mqtt/topic-mapping.ts';
export { nmeaDriver, nmeaPositions } from './instruments/nmea/driver.ts';
export { type PakbusConfiguration, pakbusDriver } from './instruments/pakbus/driver.ts';
export type { PakbusRoute } from './instruments/pakbus/settings.ts';
export { type Sdi12Configuration, type Sdi12Measurement, sdi12Driver } from './instruments/sdi12/driver.ts';
export type { Candidate } from './mesh/candidates.ts';
export type { BandwidthService } from './node/bandwidth-service.ts';
export type { BundleExportOptions, BundleExportReport } from './node/bundle-export.ts';
export type { BundleImportReport, BundleProblem } from './node/bundle-import.ts';
export type { BundleService } from './node/bundle-service.ts';
export type { CarriedEntryReport, CarryingReason, CarryingReport, TripPlan } from './node/carrying-keeping.ts';
export type { Trip } from './node/carrying-store.ts';
export type { CheckoutReport } from './node/checkout.ts';
export type { CodecDecision } from './node/codec-selector.ts';
export type { CollectionStatus } from './node/collections.ts';
export type { ConflictAnswer, ConflictResolver, ConflictSide, ConflictToResolve } from './node/conflict-policies.ts';
export type { DeliveryService, SendOptions, Whereabouts } from './node/delivery-service.ts';
export type { CandidateHint, DiscoveryService } from './node/discovery-service.ts';
export type { Duty } from './node/duty.ts';
export type { PeerTraffic } from './node/engine.ts';
export type { Delivery, FieldNode, FieldNodeEvent, FileInfo, RevisionInfo, ScanReport } from './node/field-node.ts';
export { fixedPosition } from './node/fixes.ts';
export type { LinkUsage } from './node/link-accounts.ts';
export type { BudgetState, LinkBudget } from './node/link-budgets.ts';
export type { LinkCost } from './node/link-costs.ts';
export type { LinkReport, Waiting } from './node/link-report.ts';
export type { ConflictPolicy, ConflictRule, DatasetDefinition, DatasetKind, Member, Role } from './node/membership.ts';
export type { MeshRoute, MeshTopology } from './node/mesh-routing.ts';
export type { MeshService } from './node/mesh-service.ts';
export type { PlacedRow, PlacedRowsOptions } from './node/placed-rows.ts';
export type { ExportFormat } from './node/platform.ts';
export type { Quote, QuoteOptions } from './node/quote-service.ts';
export type { RateCap } from './node/rate-caps.ts';
export type { ReprocessOptions } from './node/reprocessing.ts';
export type { IngestReport } from './node/row-writer.ts';
export type { SeriesService } from './node/series-service.ts';
export type { SiteProfile } from './node/site-profile.ts';
export type { RepairReport, VerifyReport } from './node/upkeep.ts';
export type { PathDifference } from './node/version-diff.ts';
export type { CheckoutOptions, DatasetVersion, TagInfo, VersionRef, VersionService } from './node/version-service.ts';
export type { ClockEpoch, ClockReading } from './observations/clock-epochs.ts';
export type { IngestCounts, QuarantinedPiece } from './observations/ingest-ledger.ts';
export type { Gap, LoggerEvent, TableSummary } from './observations/observation-store.ts';
export { type QualityProfile, type QualityRule, qualityFlag, type TimeGap } from './observations/quality-checks.ts';
export type { StoredRow } from './observations/row-store.ts';
export type { StationPosition, TableRevision } from './observations/table-revision.ts';
export { type OpenNodeOptions, openNode } from './open-node.ts';
