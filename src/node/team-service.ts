import { GodwitError } from '../core/errors.ts';
import { type DatasetId, identifier, type TeamId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import { addressOfCarrier } from './circuit-path.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { Identity } from './identity.ts';
import { decodeInvite, encodeInvite, inviteKeys, passKeys } from './invite.ts';
import { type ConflictPolicy, type DatasetKind, isProperName, type Membership, type Role } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import type { FieldNodeEvent } from './node-event.ts';
import type { Platform } from './platform.ts';

/**
 * How a node comes to a team: it founds one, invites others, or is invited.
 */

/** What an invite grants and where it leads. */
export interface InviteOptions {
  /** What the joining node may do. Default `member`. */
  readonly role?: Role;
  /** How long the invite can be used, in milliseconds. Default seven days. */
  readonly validMs?: number;
  /**
   * Where this node can be reached. Default: what it listens on. `via:udp://host:port` is where another member can be reached that lets the newcomer through to this node, whatever its role; it can from the moment on when the
   * team's log has come to it.
   */
  readonly addresses?: readonly string[];
}

/** How long joining is tried. */
export interface JoinOptions {
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal;
  /** Gives up after this long, in milliseconds; default never. */
  readonly timeoutMs?: number;
}

/** What a dataset is to be like. */
export interface DatasetOptions {
  readonly name: string;
  readonly kind: DatasetKind;
  /** Default `normal` for observations and `bulk` for files. */
  readonly priority?: PriorityClass;
  /** Default `merge`. */
  readonly conflictPolicy?: ConflictPolicy;
}

/** What joining and inviting work with. */
export interface TeamServiceParts {
  readonly platform: Pick<Platform, 'catalog' | 'clock' | 'crypto' | 'entropy' | 'timers'>;
  readonly identity: Identity;
  readonly nodeName: () => string;
  readonly membership: Membership;
  readonly access: DatasetAccess;
  readonly driver: NodeDriver;
  /** Calls back on every event until the returned function is called. */
  readonly onEvent: (handler: (event: FieldNodeEvent) => void) => () => void;
}

const defaultInviteMs = 7 * 24 * 3600 * 1000;

/** The way of one node into its team. */
export class TeamService {
  readonly #parts: TeamServiceParts;

  constructor(parts: TeamServiceParts) {
    this.#parts = parts;
  }

  /** Founds a team with this node as coordinator. @throws GodwitError `ALREADY_IN_TEAM`, `NAME_INVALID` */
  create(name: string): TeamId {
    if (this.#parts.membership.team !== undefined)
      throw new GodwitError('ALREADY_IN_TEAM', 'This node belongs to a team already; open another directory for another team.');
    requireProperName(name);
    const { entropy, clock, catalog } = this.#parts.platform;
    catalog.transaction(() =>
      this.#parts.membership.found({
        name,
        nodeName: this.#parts.nodeName(),
        identity: this.#parts.identity,
        nonce: entropy.bytes(16),
        secret: entropy.bytes(32),
        createdMs: clock.now().wallMs,
      }),
    );
    return this.#parts.access.requireTeam();
  }

  /** An invite code for one more node. @throws GodwitError `NO_TEAM`, `NOT_COORDINATOR` */
  createInvite(options: InviteOptions & Required<Pick<InviteOptions, 'addresses'>>): string {
    const { crypto, entropy, clock } = this.#parts.platform;
    const team = this.#parts.access.requireTeam();
    if (this.#parts.membership.member(this.#parts.identity.node)?.role !== 'coordinator')
      throw new GodwitError('NOT_COORDINATOR', 'Only a coordinator can invite; ask one of them for a code.');
    const secret = entropy.bytes(16);
    const expiresMs = clock.now().wallMs + (options.validMs ?? defaultInviteMs);
    this.#parts.membership.addInvite({ ...inviteKeys(secret, crypto.hmacSha256), secret, role: options.role ?? 'member', expiresMs });
    if (options.addresses.some((each) => addressOfCarrier(each) !== undefined))
      this.#parts.driver.command((engine, now) =>
        engine.appendOperation({ type: 'pass', ...passKeys(secret, crypto.hmacSha256), expiresMs }, now),
      );
    return encodeInvite({ team, secret, addresses: options.addresses }, crypto.sha256);
  }

  /** Joins a team with an invite code; see `FieldNode.join`. */
  async join(code: string, options: JoinOptions): Promise<TeamId> {
    const invite = decodeInvite(code, this.#parts.platform.crypto.sha256);
    if (!invite.ok) throw GodwitError.from(invite.fault);
    const { team } = this.#parts.membership;
    // A power cut may have come between the welcome and the log that confirms it: then joining goes on.
    if (team === invite.value.team && this.#parts.membership.member(this.#parts.identity.node) !== undefined) return team;
    if (team !== undefined && team !== invite.value.team)
      throw new GodwitError('ALREADY_IN_TEAM', 'This node belongs to a team already; open another directory for another team.');
    const { signal, timeoutMs } = options;
    let giveUp = (_fault: Fault): void => undefined;
    const aborted = (): void => giveUp({ code: 'ABORTED', blame: 'caller', message: 'Joining was given up.' });
    const timedOut = (): void =>
      giveUp({
        code: 'JOIN_TIMEOUT',
        blame: 'peer',
        message: 'Nobody took the invite in time; it may have expired, or the inviting node is off.',
      });
    const timer = timeoutMs === undefined ? undefined : this.#parts.platform.timers.schedule(timeoutMs, timedOut);
    try {
      return await new Promise((resolve, reject) => {
        giveUp = (fault) => {
          // Called from a timer or a signal, where nobody else would hear of a disk that fails now.
          try {
            this.#parts.driver.command((engine, now) => engine.stopJoining(fault, now));
          } catch (error) {
            reject(error);
          }
        };
        const forget = this.#parts.onEvent((event) => {
          if (event.type === 'joined') resolve(event.team);
          else if (event.type === 'join-failed') reject(GodwitError.from(event.fault, { retryable: event.fault.code === 'JOIN_TIMEOUT' }));
          else return;
          forget();
        });
        this.#parts.driver.command((engine, now) => engine.join(invite.value, now));
        signal?.addEventListener('abort', aborted);
        if (signal?.aborted) aborted();
      });
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', aborted);
    }
  }

  /** Creates a dataset, or finds the one that this node created before. @throws GodwitError `NO_TEAM`, `NOT_A_WRITER`, `NAME_INVALID` */
  createDataset(options: DatasetOptions): DatasetId {
    this.#parts.access.requireTeam();
    this.#parts.access.requireWriter();
    requireProperName(options.name);
    const known = this.#parts.membership
      .datasets()
      .find((each) => each.name === options.name && each.kind === options.kind && each.creator === this.#parts.identity.node);
    if (known !== undefined) return known.id;
    const id = identifier<DatasetId>(this.#parts.platform.entropy.bytes(32));
    const { name, kind, priority = kind === 'series' ? 'normal' : 'bulk', conflictPolicy = 'merge' } = options;
    this.#parts.driver.command((engine, now) => engine.appendOperation({ type: 'dataset', id, name, kind, priority, conflictPolicy }, now));
    return id;
  }
}

/** Refuses a name that other nodes would refuse, before it is signed. @throws GodwitError `NAME_INVALID` */
export function requireProperName(name: string): void {
  if (!isProperName(name)) throw new GodwitError('NAME_INVALID', 'A team, node or dataset needs a name of 1 to 256 characters.');
}
