import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId, TeamId } from '../core/identifiers.ts';
import { seededRandom } from '../core/random.ts';
import { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader, Position } from '../datasets/entry-body.ts';
import { type Conflict, FileIndex } from '../datasets/file-index.ts';
import type { CollectionReport } from '../datasets/garbage-collection.ts';
import { KeptBases } from '../datasets/kept-bases.ts';
import { LogStore } from '../datasets/log.ts';
import type { Dot } from '../datasets/log-entry.ts';
import { ReceiptBook } from '../datasets/receipts.ts';
import { Retention } from '../datasets/retention.ts';
import { entriesOf, TagBook } from '../datasets/tags.ts';
import type { ScanOptions } from '../datasets/working-tree.ts';
import type { ExportReport } from '../formats/series-table.ts';
import { TransferJournal } from '../forwarding/transfer-journal.ts';
import { WantList } from '../forwarding/want-list.ts';
import type { DeviceDriver } from '../instruments/driver.ts';
import { type IngestCounts, IngestLedger, type QuarantinedPiece } from '../observations/ingest-ledger.ts';
import { type LoggerEvent, ObservationStore, type TableSummary } from '../observations/observation-store.ts';
import type { StoredRow } from '../observations/row-store.ts';
import type { RateControlFactory } from '../ports/rate-control.ts';
import { BandwidthService } from './bandwidth-service.ts';
import { BundleService } from './bundle-service.ts';
import { Chores } from './chores.ts';
import { type CollectionStatus, Collections } from './collections.ts';
import { ConflictPolicies, type ConflictResolver } from './conflict-policies.ts';
import { ContentSearch, type SearchOptions } from './content-search.ts';
import { ContentTasks } from './content-tasks.ts';
import { DatasetAccess } from './dataset-access.ts';
import { type Delivery, DeliveryService } from './delivery-service.ts';
import { DiscoveryService } from './discovery-service.ts';
import { Duties } from './duties.ts';
import { type Duty, dutyText, parseDuty, type TimedDuty } from './duty.ts';
import { Engine, type PeerTraffic } from './engine.ts';
import { defaultBaseCopiesBytesMax, defaultSupersededBytesMax, type FieldNodeOptions } from './field-node-options.ts';
import { type FileInfo, FileService, type RevisionInfo, type ScanReport } from './file-service.ts';
import { betterPosition } from './fixes.ts';
import { type Identity, openIdentity } from './identity.ts';
import { Interests } from './interests.ts';
import { type ConflictRule, type DatasetDefinition, type Member, Membership } from './membership.ts';
import { MeshService } from './mesh-service.ts';
import { NodeDriver } from './node-driver.ts';
import type { FieldNodeEvent, NodeEvent } from './node-event.ts';
import type { ExportFormat, Platform } from './platform.ts';
import { QuoteService } from './quote-service.ts';
import type { IngestReport } from './row-writer.ts';
import { type CollectOptions, type IngestOptions, SeriesService } from './series-service.ts';
import { type DatasetOptions, type InviteOptions, type JoinOptions, requireProperName, TeamService } from './team-service.ts';
import { type RepairReport, Upkeep, type VerifyOptions, type VerifyReport } from './upkeep.ts';
import { VersionService } from './version-service.ts';

export type { Delivery } from './deliveries.ts';
export type { FieldNodeOptions } from './field-node-options.ts';
export type { FileInfo, RevisionInfo, ScanReport } from './file-service.ts';
export type { FieldNodeEvent } from './node-event.ts';

/**
 * A node: the public face of Godwit. One directory, one identity, one process.
 *
 * Methods that wait for nothing return at once; those that read or write bulk bytes return promises. Every failure is a `GodwitError` with a code that `docs/errors.md` explains. What a method
 * has returned is durable.
 */
export class FieldNode {
  /** Versions of datasets: tags, what stood in one, what changed between two, and getting one back. */
  readonly versions: VersionService;
  /** Sending to somebody, priorities, contact windows, and where everything is. */
  readonly forwarding: DeliveryService;
  readonly #platform: Platform;
  readonly #options: FieldNodeOptions;
  readonly #identity: Identity;
  readonly #membership: Membership;
  readonly #logs: LogStore;
  readonly #index: FileIndex;
  readonly #tags: TagBook;
  readonly #contents: ContentStore;
  readonly #receipts: ReceiptBook;
  readonly #wants: WantList;
  readonly #interests: Interests;
  readonly #observations: ObservationStore;
  readonly #ledger: IngestLedger;
  readonly #access: DatasetAccess;
  readonly #policies: ConflictPolicies;
  readonly #driver: NodeDriver;
  readonly #team: TeamService;
  readonly #files: FileService;
  /** Observations beyond reading and listing them: deriving them again, clocks, gaps, positions. */
  readonly series: SeriesService;
  readonly #search: ContentSearch;
  readonly #upkeep: Upkeep;
  readonly #chores: Chores;
  readonly #duties: Duties;
  readonly #collections: Collections;
  /** What links can do, what goes over them, and how much may. */
  readonly bandwidth: BandwidthService;
  /** Bundles on sticks and other removable media. */
  readonly bundles: BundleService;
  /** Neighbours and routes. */
  readonly mesh: MeshService;
  /** Where this node listens, and finding members without configuration. */
  readonly discovery: DiscoveryService;
  #position: Position | undefined;
  readonly #eventHandlers = new Set<(event: FieldNodeEvent) => void>();

  private constructor(platform: Platform, options: FieldNodeOptions, rateControl: RateControlFactory) {
    const { catalog, crypto, entropy, compressor, chunks, clock } = platform;
    if (options.name !== undefined) requireProperName(options.name);
    this.#platform = platform;
    this.#options = options;
    this.#identity = openIdentity(catalog, crypto, entropy);
    this.#logs = new LogStore(catalog, crypto);
    this.#index = new FileIndex(catalog);
    this.#tags = new TagBook(catalog);
    this.#contents = new ContentStore(catalog, chunks, crypto, platform.cutter);
    this.#receipts = new ReceiptBook(catalog, crypto);
    this.#wants = new WantList(catalog);
    this.#membership = new Membership(catalog, crypto, this.#logs);
    this.#interests = new Interests(catalog, this.id, this.#membership, this.#receipts);
    this.#policies = new ConflictPolicies(this.#membership);
    this.#access = new DatasetAccess(this.#membership, this.id);
    this.#observations = new ObservationStore(catalog, crypto, compressor);
    this.#ledger = new IngestLedger(catalog);
    const replicated = { logs: this.#logs, index: this.#index, receipts: this.#receipts, wants: this.#wants, interests: this.#interests };
    this.forwarding = new DeliveryService({ self: this.id, catalog, membership: this.#membership, ...replicated });
    const journal = new TransferJournal(catalog);
    const engine = new Engine(
      {
        identity: this.#identity,
        nodeName: () => this.name,
        catalog,
        crypto,
        entropy,
        random: seededRandom(new DataView(entropy.bytes(4).buffer).getUint32(0)),
        rateControl,
        contents: this.#contents,
        membership: this.#membership,
        ...replicated,
        deliveries: this.forwarding.tracking,
        journal,
        tags: this.#tags,
        applyEntry: (dataset, entry, body) => {
          if (body.kind === 'files' || body.kind === 'membership' || body.kind === 'order' || body.kind === 'fork') return;
          const applied =
            body.kind === 'tag'
              ? this.#tags.apply(dataset, entry, body, body.payload)
              : this.#observations.apply(dataset, entry.author, body.kind, body.payload);
          if (!applied.ok) this.#emit({ type: 'problem', what: `entry ${entry.sequence} of ${entry.author}`, ...applied.fault });
        },
      },
      clock.now(),
    );
    const tasks = new ContentTasks(this.#contents, crypto, compressor, (root) => this.#files.placeOf(root));
    this.#driver = new NodeDriver(engine, platform, tasks, {
      onEvent: (event) => this.#handle(event),
      onCrash: (error) => this.#crash(error),
    });
    this.#chores = new Chores((what, error) => this.#problem(what, error), platform.timers);
    const shared = {
      ...replicated,
      self: this.id,
      platform,
      identity: this.#identity,
      membership: this.#membership,
      access: this.#access,
      contents: this.#contents,
      driver: this.#driver,
      chores: this.#chores,
      header: () => this.#header(),
    };
    this.#team = new TeamService({ ...shared, nodeName: () => this.name, onEvent: (handler) => this.onEvent(handler) });
    this.forwarding.attach({ ...shared, journal });
    this.#files = new FileService({
      ...shared,
      policies: this.#policies,
      bases: new KeptBases(catalog, this.#contents, crypto, options.baseCopiesBytesMax ?? defaultBaseCopiesBytesMax),
      mustStay: (root) => retention.view().verdict(root).stays,
      onWritten: (dataset, path) => this.#emit({ type: 'file-written', dataset, path }),
      onDamage: (content) => this.#upkeep.noteDamage(content),
      onProblem: (what, error) => this.#problem(what, error),
    });
    this.#search = new ContentSearch({ ...shared, onEvent: (handler) => this.onEvent(handler) });
    const retention = new Retention(catalog, this.#index, (root) => this.#contents.holds(root), journal, {
      reason: (root) => (this.#ledger.isRaw(root) ? 'raw' : this.#search.isInUse(root) ? 'in-use' : undefined),
      keepsHead: (dataset, dot, path) => this.#interests.keeps(dataset, dot) || this.forwarding.tracking.isOrderedHere(dataset, dot, path),
      isTagged: (dataset, path, dot) => this.#tags.tags(dataset).some((tag) => this.#index.stoodIn(dataset, path, dot, entriesOf(tag))),
    });
    this.#upkeep = new Upkeep({
      ...shared,
      retention,
      search: this.#search,
      supersededBytesMax: options.supersededBytesMax ?? defaultSupersededBytesMax,
      attached: () => this.#files.attached(),
      rewrite: (dataset, path) => this.#files.materialiseLater(dataset, path),
      report: (event) => this.#emit(event),
      onProblem: (what, error) => this.#problem(what, error),
    });
    this.versions = new VersionService({ ...shared, tags: this.#tags, search: this.#search });
    this.series = new SeriesService({ ...shared, observations: this.#observations, ledger: this.#ledger, drivers: options.drivers ?? [] });
    this.bundles = new BundleService({ ...shared, journal, tasks, report: (event) => this.#emit(event) });
    this.mesh = new MeshService(this.#driver);
    this.discovery = new DiscoveryService(this.#driver, platform);
    this.bandwidth = new BandwidthService({ ...shared, quotes: new QuoteService({ ...shared, tasks }) });
    const onFailure = (duty: Duty, error: unknown) => this.#problem(`duty ${dutyText(duty)}`, error);
    this.#collections = new Collections({ platform, instruments: this.series, onFailure });
    const perform = (duty: TimedDuty, signal: AbortSignal) => this.#perform(duty, signal);
    this.#duties = new Duties(catalog, platform.timers, { perform, onFailure, collections: this.#collections });
  }

  /** Opens the node that the platform's catalog holds, or makes a new one. After a power cut it recovers by itself. */
  static async open(platform: Platform, rateControl: RateControlFactory, options: FieldNodeOptions = {}): Promise<FieldNode> {
    const node = new FieldNode(platform, options, rateControl);
    await node.#contents.recover();
    node.#files.restore();
    node.#driver.start();
    node.#upkeep.start();
    await node.discovery.start();
    node.#files.takeUpConflicts();
    node.#duties.start();
    return node;
  }

  // Who and with whom

  /** This node's identifier: its public key. */
  get id(): NodeId {
    return this.#identity.node;
  }

  get name(): string {
    return this.#options.name ?? `node-${this.id.slice(0, 8)}`;
  }

  /** The team it belongs to, once it has created or joined one. */
  get team(): TeamId | undefined {
    return this.#membership.team;
  }

  members(): Member[] {
    return this.#membership.members();
  }

  /** Members with whom a session stands. */
  connectedPeers(): NodeId[] {
    return this.#driver.command((engine) => engine.connectedPeers());
  }

  /**
   * Founds a team with this node as coordinator.
   *
   * @throws GodwitError `ALREADY_IN_TEAM`, `NAME_INVALID`
   */
  createTeam(name: string): TeamId {
    return this.#team.create(name);
  }

  /**
   * An invite code for one more node. It names the addresses this node listens on now (or those given), works once, and expires.
   *
   * @throws GodwitError `NO_TEAM`, `NOT_COORDINATOR`
   */
  createInvite(options: InviteOptions = {}): string {
    return this.#team.createInvite({ addresses: this.discovery.addresses, ...options });
  }

  /**
   * Joins a team with an invite code; no other configuration is needed. Resolves when this node knows from the team's log that it is a member.
   *
   * Keeps trying while the inviting node cannot be reached: it may be switched off for weeks. An invite that has expired meets the same silence, so without `timeoutMs` and `signal` this may never
   * settle; a `joining` event says after every round over the invite's addresses how it went. When joining ends without success this node belongs to no team, and the code may be used again.
   *
   * @param options `timeoutMs`: gives up after this long, default never. `signal`: gives up when it is aborted.
   * @throws GodwitError `INVITE_MALFORMED`, `INVITE_USED`, `INVITE_WITHOUT_ADDRESS`, `INVITER_INVALID`, `JOIN_INVALID`, `JOIN_TIMEOUT` (retryable), `ABORTED`, `ALREADY_IN_TEAM`
   */
  async join(code: string, options: JoinOptions = {}): Promise<TeamId> {
    return this.#team.join(code, options);
  }

  /**
   * Accepts peers at `udp://host:port` or `tcp://host:port`; port 0 takes any free one. Returns the address with the port that was bound. With `keep` it listens there again whenever it
   * is opened. On a line (`serial:PORT?baud=9600`, or `line:NAME` where the host program lends one) either end may listen; an invite or a contact names the line as it is called at the far end.
   *
   * @throws GodwitError `PORT_BUSY`, `ADDRESS_UNAVAILABLE`, `ADDRESS_MALFORMED`, `SERIALPORT_MISSING`
   */
  async listen(address: string, options: { readonly keep?: boolean } = {}): Promise<string> {
    const bound = await this.discovery.listen(address);
    if (options.keep) this.#duties.add({ kind: 'listen', address: bound }, true);
    return bound;
  }

  /** Keeps a session with a member at these addresses, whenever it can be reached. Remembered over restarts. */
  addContact(member: NodeId, addresses: readonly string[]): void {
    this.#driver.command((engine, now) => engine.addContact(member, addresses, now));
  }

  /** Says where this node is, for all that it writes from now on; a receiver's fix (`fixedPosition`) does not take the place of a survey. Forgotten on closing. @throws GodwitError `POSITION_INVALID` */
  setPosition(position: Position | undefined): void {
    this.#position = position && betterPosition(this.#position, position);
  }

  /** Something changed in the surroundings (a network came up, a vehicle arrived): peers without a session are tried now, the others asked whether they are there, and instruments visited whose duties want that. */
  hint(): void {
    this.#driver.command((engine, now) => engine.hint(now));
    this.#collections.connected();
  }

  // Datasets

  datasets(): DatasetDefinition[] {
    return this.#membership.datasets();
  }

  /**
   * Creates a dataset in the team. A dataset of that name and kind that this node created before is returned instead, so that a set-up may be run twice.
   *
   * @throws GodwitError `NO_TEAM`, `NOT_A_WRITER`, `NAME_INVALID`
   */
  createDataset(options: DatasetOptions): DatasetId {
    return this.#team.createDataset(options);
  }

  /**
   * Takes part in a dataset, which every member but a carrier does from the beginning: entries and contents come here, directories are kept in step. Remembered over restarts; others hear of it.
   *
   * @throws GodwitError `DATASET_UNKNOWN`
   */
  subscribe(dataset: DatasetId): void {
    const { id } = this.#access.dataset(dataset);
    this.#driver.command((engine, now) => engine.choose(id, true, now));
  }

  /**
   * Takes no part in a dataset any more: nothing new of it comes here, and what is on its way stops. What is here stays, and is served to others.
   *
   * @throws GodwitError `DATASET_UNKNOWN`
   */
  unsubscribe(dataset: DatasetId): void {
    const { id } = this.#access.dataset(dataset);
    this.#driver.command((engine, now) => engine.choose(id, false, now));
  }

  /** Datasets that this node subscribes to. */
  subscriptions(): DatasetId[] {
    return this.#membership.datasets().flatMap(({ id }) => (this.#interests.subscribed(id) ? [id] : []));
  }

  /** The dataset with this identifier or name. @throws GodwitError `DATASET_UNKNOWN` */
  dataset(nameOrId: string): DatasetDefinition {
    return this.#access.dataset(nameOrId);
  }

  /**
   * Keeps a directory and a `files` dataset in step: what arrives is written there, and `scan` publishes what changes there. Remembered over restarts.
   *
   * @throws GodwitError `DATASET_UNKNOWN`, `DIRECTORY_MISSING`
   */
  attach(dataset: DatasetId, directory: string): void {
    this.#files.attach(dataset, directory);
  }

  /** Publishes what changed in the attached directory. @throws GodwitError `NOT_ATTACHED`, `NOT_A_WRITER`, `TREE_EMPTIED`, `DIRECTORY_MISSING`, `DISK_FULL` */
  async scan(dataset: DatasetId, options: ScanOptions = {}): Promise<ScanReport> {
    return this.#files.scan(dataset, options);
  }

  /** Files of a dataset as they stand, by path. Removed ones are left out. */
  files(dataset: DatasetId): IterableIterator<FileInfo> {
    return this.#files.list(dataset);
  }

  /** One file as it stands, or `undefined`. */
  file(dataset: DatasetId, path: string): FileInfo | undefined {
    return this.#files.file(dataset, path);
  }

  /** Every revision of a path with all its metadata, newest first. */
  history(dataset: DatasetId, path: string): RevisionInfo[] {
    return this.#files.history(dataset, path);
  }

  /** The bytes of a file, or of one of its revisions, verified chunk by chunk. @throws GodwitError `FILE_MISSING`, `CONTENT_INCOMPLETE`, `CONTENT_DAMAGED` */
  read(dataset: DatasetId, path: string, revision?: Dot): AsyncGenerator<Uint8Array, void, void> {
    return this.#files.read(dataset, path, revision);
  }

  conflicts(dataset: DatasetId, options: { readonly open?: boolean } = {}): Conflict[] {
    return this.#files.conflicts(dataset, options.open ?? false);
  }

  /** Ends a conflict by hand: the given head stands. @throws GodwitError `CONFLICT_UNKNOWN` */
  resolveConflict(dataset: DatasetId, path: string, keep: Dot): void {
    this.#files.resolveConflict(dataset, path, keep);
  }

  /**
   * Policies for paths that match patterns (`*`, `?`, `**`), before the dataset's own policy and for the whole team; the first that matches counts. Replaces the rules before.
   *
   * @throws GodwitError `CONFLICT_RULES_INVALID`, `NOT_A_WRITER`, `DATASET_UNKNOWN`, `DATASET_KIND`
   */
  setConflictRules(dataset: DatasetId, rules: readonly ConflictRule[]): void {
    this.#files.setConflictRules(dataset, rules);
  }

  /** Ends conflicts of paths that match a pattern by a function (`ConflictResolver`), on this node and until the returned function is called. @throws GodwitError `DATASET_UNKNOWN`, `DATASET_KIND` */
  resolveConflictsWith(dataset: DatasetId, glob: string, resolver: ConflictResolver): () => void {
    return this.#files.resolveConflictsWith(dataset, glob, resolver);
  }

  /** What is still on its way to this node. */
  outstanding(dataset?: DatasetId): { readonly contents: number; readonly bytes: number } {
    return this.#wants.outstanding(dataset);
  }

  /** Where what this node wrote into a dataset is, subscriber by subscriber, as far as receipts have come back. */
  deliveries(dataset: DatasetId): Delivery[] {
    return this.forwarding.summary(dataset);
  }

  // Upkeep

  /**
   * Reads everything that is complete here, in packs and in working files, against its hashes; of one dataset or of all. Names each damaged content with the files it belongs to and the places that
   * went bad. What is damaged is not shown or sent from that moment; heads are asked of other nodes at once, and working files are written anew. The node goes on with everything else meanwhile, and
   * `upkeep` and `damage` events tell how far it is.
   *
   * @throws GodwitError `DATASET_UNKNOWN`, `ABORTED`, `NODE_CLOSED`, `STORAGE_FAILED` (retryable)
   */
  async verify(dataset?: DatasetId, options: VerifyOptions = {}): Promise<VerifyReport> {
    return this.#upkeep.verify(dataset, options);
  }

  /**
   * Verifies, and waits until what was lost has been fetched from other nodes. Older versions are fetched too where a tag, a conflict or a transfer needs them.
   *
   * @param options `rehash` as in `verify`; `waitMs`: how long to wait for members that are not in reach, default 0
   * @throws GodwitError as `verify`
   */
  async repair(dataset?: DatasetId, options: VerifyOptions & SearchOptions = {}): Promise<RepairReport> {
    return this.#upkeep.repair(dataset, options);
  }

  /**
   * Gives back the room of replaced versions, the newest of which are kept while they fit `quotaBytes` (default: `supersededBytesMax`). Never takes what stands, is tagged, is in conflict, is being
   * transferred or checked out, or was read from an instrument. The node does this by itself when its packs have grown.
   *
   * @throws GodwitError `DISK_FULL`, `STORAGE_FAILED` (retryable), `NODE_CLOSED`; what was given back before stays given back
   */
  async collectGarbage(options: { readonly quotaBytes?: number } = {}): Promise<CollectionReport> {
    return this.#upkeep.collectGarbage(options.quotaBytes ?? this.#options.supersededBytesMax ?? defaultSupersededBytesMax);
  }

  // Instruments and observations

  /**
   * Reads what is new in an instrument's file, or in every file below a directory, into a `series` dataset.
   *
   * @throws GodwitError `DATASET_UNKNOWN`, `DIRECTORY_MISSING`, `DISK_FULL`
   */
  async ingest(dataset: DatasetId, directory: string, options: IngestOptions = {}): Promise<IngestReport[]> {
    return this.series.ingest(dataset, directory, options);
  }

  /**
   * Collects tables from an instrument from where they were left. Without `tables`, all that the instrument has.
   *
   * @throws GodwitError `INSTRUMENT_UNREACHABLE`, `INSTRUMENT_TIMEOUT`, `ZONE_UNKNOWN`, and what the driver documents; what was stored before stays.
   */
  async collect<C>(dataset: DatasetId, driver: DeviceDriver<C>, options: CollectOptions<C>): Promise<IngestReport[]> {
    return this.series.collect(dataset, driver, options);
  }

  /** Table revisions of a `series` dataset with the extent of their rows. */
  tables(dataset: DatasetId): TableSummary[] {
    return this.#observations.tables(dataset);
  }

  /** Rows of one table revision by time, in `fromUs` (included) to `toUs` (not included), microseconds since 1970 UTC. */
  rows(dataset: DatasetId, table: TableSummary['revision']['id'], fromUs?: number, toUs?: number): IterableIterator<StoredRow> {
    return this.#observations.rows(dataset, table, fromUs, toUs);
  }

  loggerEvents(dataset: DatasetId, table: TableSummary['revision']['id']): LoggerEvent[] {
    return this.#observations.events(dataset, table);
  }

  /** Records read at this node, by source: `read = stored + duplicate + quarantined`. */
  ingestCounts(dataset: DatasetId): ReadonlyMap<string, IngestCounts> {
    return this.#ledger.counts(dataset);
  }

  /** What could not be used, with its reason and bytes. */
  quarantined(dataset: DatasetId): QuarantinedPiece[] {
    return this.#ledger.quarantined(dataset);
  }

  // Standing duties

  /**
   * Keeps a duty: the node does it now and again and again, also after a restart. The same duty is kept once. Returns its number.
   *
   * @throws GodwitError `DUTY_MALFORMED`; what goes wrong while doing it is a `problem` event, and it is done again at its interval.
   */
  addDuty(duty: Duty): number {
    return this.#duties.add(parseDuty(duty));
  }

  duties(): { readonly id: number; readonly duty: Duty }[] {
    return this.#duties.list();
  }

  removeDuty(id: number): void {
    this.#duties.remove(id);
  }

  /** Duties to collect: how each stands, when it visits its instrument next, and what it waits for. */
  collections(): CollectionStatus[] {
    return this.#collections.list();
  }

  /** Writes a `series` dataset to a file: a CF NetCDF-4 file or a GeoPackage. The file is replaced as one step. @throws GodwitError `NOTHING_TO_EXPORT`, `EXPORT_FAILED`, `DISK_FULL`, `DIRECTORY_UNWRITABLE` */
  async export(dataset: DatasetId, format: ExportFormat, path: string): Promise<ExportReport> {
    return this.series.export(dataset, format, path);
  }

  // What happens

  /** Bytes exchanged with each peer since this node was opened, all headers counted, by purpose. */
  traffic(): PeerTraffic[] {
    return this.#driver.command((engine) => engine.traffic());
  }

  /** When this node will next wake up by itself if nothing happens, and why; `undefined` when it is idle. Standing duties wake it besides. */
  nextWakeUp(): { readonly inMs: number; readonly reason: string } | undefined {
    const next = this.#driver.command((engine) => engine.nextDeadline());
    return next && { inMs: Math.max(0, next.at - this.#platform.clock.now().monotonicMs), reason: next.reason };
  }

  /** Calls back on every event until the returned function is called. */
  onEvent(handler: (event: FieldNodeEvent) => void): () => void {
    this.#eventHandlers.add(handler);
    return () => this.#eventHandlers.delete(handler);
  }

  /** Resolves when background work that is queued now (files to write, conflicts to end) has been done. */
  async idle(): Promise<void> {
    await this.#chores.idle();
  }

  /** Closes the node: what was begun is finished, nothing new begins. */
  async close(): Promise<void> {
    this.#duties.close();
    this.#search.close();
    await this.series.close();
    await this.bundles.close();
    await this.#chores.close();
    await this.#upkeep.close();
    this.bandwidth.close();
    await this.#driver.close();
    await this.#platform.links.close();
    await this.#platform.chunks.close();
    this.#platform.catalog.close();
  }

  // Inside

  #handle(event: NodeEvent): void {
    if (event.type === 'path-changed') {
      this.#files.materialiseLater(event.dataset, event.path);
      this.#upkeep.noteChange();
    }
    if (event.type === 'session-up') this.#collections.connected();
    if (event.type === 'conflict') this.#files.endConflictLater(event.dataset, event.path);
    this.#emit(event);
  }

  #emit(event: FieldNodeEvent): void {
    for (const handler of this.#eventHandlers) handler(event);
  }

  async #perform(duty: TimedDuty, signal: AbortSignal): Promise<void> {
    if (duty.kind === 'listen') await this.listen(duty.address);
    else if (duty.kind === 'scan')
      await this.scan(duty.dataset as DatasetId, duty.settleMs === undefined ? {} : { settleMs: duty.settleMs });
    else await this.series.perform(duty, signal);
  }

  #problem(what: string, error: unknown): void {
    if (error instanceof GodwitError) this.#emit({ type: 'problem', what, code: error.code, message: error.message });
    else this.#crash(error);
  }

  /** Storage failed in the middle of a turn: the owner is told. Anything else is a program that contradicts itself, and stops before anything is written on that ground. */
  #crash(error: unknown): void {
    if (!(error instanceof GodwitError)) throw error;
    this.#emit({ type: 'stopped', code: error.code, message: error.message });
  }

  #header(): Omit<EntryHeader, 'instant'> {
    return { clockQuality: this.#options.clockQuality ?? 'unknown', ...(this.#position === undefined ? {} : { position: this.#position }) };
  }
}
