/**
 * The ports: what a node asks of the world it runs in. Whoever puts a node on another platform, or under test, implements these.
 */
export type { Hash } from '../core/identifiers.ts';
export type { Moment, MonotonicMs } from '../core/time.ts';
export type { Catalog, Schema, SqlValue } from './catalog.ts';
export type { ChunkStore, PackPlace, PackRecord } from './chunk-store.ts';
export type { Clock } from './clock.ts';
export type { CompressOptions, Compressor, DecompressOptions } from './compressor.ts';
export type { Crypto, IncrementalHash, KeyPair } from './crypto.ts';
export type { Entropy } from './entropy.ts';
export type { FileAttributes, FileKind, FileReader, FileStat, FileTree, MayReplace, Sighting, UnusableEntry } from './file-tree.ts';
export type { LinkDriver, LinkSink, Listener } from './links.ts';
export type { NetworkCost } from './network-cost.ts';
export type { PowerReading, PowerState } from './power-state.ts';
export type { Acknowledgement, NewPath, PacketFate, PathEstimate, RateControl, RateControlFactory } from './rate-control.ts';
export type { CutSegment, SegmentCutter } from './segment-cutter.ts';
export type { TimeZones } from './time-zones.ts';
export type { Timers } from './timers.ts';
