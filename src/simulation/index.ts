/**
 * Rehearse a camp before anyone leaves the office: real nodes on simulated computers, links, disks and clocks, in virtual time. Begin with `World`.
 */
export { type CampaignOptions, runCampaign, type Verdict } from './campaign.ts';
export { type CampaignPlan, type CampaignScale, drawPlan, without } from './campaign-plan.ts';
export { type CampName, camps } from './camps.ts';
export { godwitCarrying } from './carrying-agent.ts';
export { fifoEpidemic, prophet, sprayAndWait, subscribersOnly } from './carrying-baselines.ts';
export {
  type CarriageAgent,
  type CarriageConditions,
  type CarriageDigest,
  type CarriageFigures,
  type CarriageItem,
  type CarriagePolicy,
  type CarriageWorkload,
  drawCarriage,
  reachablePairs,
  simulateCarriage,
} from './carrying-simulation.ts';
export {
  brokenPromises,
  converged,
  differences,
  doubleDeliveries,
  type ForkedLogs,
  forkedLogs,
  incompleteHeads,
  lastingForks,
  unfetched,
  unmendedForks,
  unnoticedForks,
  wrongHeads,
} from './checkers.ts';
export { type ContactTrace, type ContactTraceOptions, contactTraceOf, readContactTrace, type TraceContact } from './contact-trace.ts';
export {
  type Herd,
  herdTrace,
  type Shipping,
  shippingTrace,
  type VehicleLoop,
  vehicleLoopTrace,
  type WorkingDay,
  workingDayTrace,
} from './contact-trace-generators.ts';
export { type DeclaredOffset, declaredTimeZones } from './declared-time-zones.ts';
export { DeliveryWatch } from './delivery-watch.ts';
export { DiskFaults } from './disk-faults.ts';
export { type ContractCheck, type DriverBench, driverContract } from './driver-contract.ts';
export { type Encounters, encounterTrace } from './encounter-trace.ts';
export { GpsdReplay, type GpsdReplayOptions } from './gpsd-replay.ts';
export { HttpLogger, type HttpLoggerOptions, type HttpLoggerRecord, httpLoggerTransport } from './http-logger.ts';
export { type InstrumentTranscript, recordTranscript, TranscriptReplay, type TranscriptStep } from './instrument-transcript.ts';
export { hobowareCsvText, toa5Text, weatherStationColumns } from './logger-files.ts';
export { Marks, neverMet, type Situation, situations } from './marks.ts';
export { MemoryFileTree } from './memory-file-tree.ts';
export { MessageBroker } from './message-broker.ts';
export { type Conduct, honest, misbehaving } from './misbehaviour.ts';
export { type ModbusFaults, ModbusSensor, type ModbusSensorOptions, noModbusFaults } from './modbus-sensor.ts';
export {
  type LineFaults,
  noFaults,
  PakbusLogger,
  type PakbusLoggerOptions,
  type SimulatedProgram,
  type SimulatedTable,
} from './pakbus-logger.ts';
export { PakbusRouter } from './pakbus-router.ts';
export { weatherLogger } from './pakbus-weather-station.ts';
export { joulesPerByte, type LinkPreset, type LinkPresetName, type LinkRhythm, linkPresets } from './presets.ts';
export { rehearse } from './rehearsal.ts';
export type {
  Rehearsal,
  RehearsalContact,
  RehearsalFile,
  RehearsalInstrument,
  RehearsalLink,
  RehearsalPower,
  RehearsalSite,
  RehearsalStop,
  RehearsalTrip,
} from './rehearsal-plan.ts';
export {
  type DeliveryFigures,
  type LinkFigures,
  type Margin,
  type RehearsalReport,
  rehearsalMarkdown,
  type SiteFigures,
} from './rehearsal-report.ts';
export { Sdi12Line, type Sdi12LineOptions, type Sdi12SensorOptions } from './sdi12-sensor.ts';
export { SeriesWork } from './series-work.ts';
export { report, type ShrunkCase, shrink } from './shrinking.ts';
export type { LinkFaultCounts, LinkTraffic, LinkWindow, SimulatedLink } from './simulated-link.ts';
export type { ComputerBackup, SimulatedExport, SimulatedNode, SimulatedNodeOptions } from './simulated-node.ts';
export { type Stay, traceOfStays } from './stays.ts';
export { TimeRespectingReach } from './time-respecting-reach.ts';
export type { Trace } from './trace.ts';
export { UsbStick } from './usb-stick.ts';
export type { BurstLoss, LinkModel, Outage } from './virtual-link.ts';
export { FileWork } from './workload.ts';
export { World, type WorldOptions } from './world.ts';
