import { equalBytes, toHex } from '../core/bytes.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import type { LocalInterface, LocalPacket } from '../ports/discovery.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { BeaconPorts } from './beacon.ts';
import { addressesOf, type Discovery, type Sighting } from './discovery.ts';
import {
  type DnsData,
  type DnsMessage,
  type DnsName,
  type DnsQuestion,
  type DnsRecord,
  decodeDns,
  dnsType,
  encodeDns,
  isSameName,
  txtString,
  typeOf,
} from './dns-message.ts';

/**
 * DNS-based service discovery over multicast DNS (RFC 6763, RFC 6762): the way in which networks and their tools expect services to be found.
 *
 * The service is `_godwit._udp.local`. Its instance and host are named by a random number that is drawn anew with every change of the team and every start, and what a member needs stands in the TXT record
 * as a sealed beacon (`b=`): outsiders see that some node is there, and learn neither which nor of which team. On each interface: three probes a quarter of a second apart, two announcements a second
 * apart, answers with known-answer suppression, and a question for others that is repeated at growing intervals up to an hour.
 */

/** What to send: to everybody on the interface's link, or to one host. */
export interface DnsOutput {
  readonly interface: string;
  readonly bytes: Uint8Array;
  readonly to?: { readonly host: string; readonly port: number };
}

/** The name of the service, and what lists all services (RFC 6763 section 9). */
export const serviceName: DnsName = ['_godwit', '_udp', 'local'];
const catalogName: DnsName = ['_services', '_dns-sd', '_udp', 'local'];

const mdnsPort = 5353;
/** Times to live in seconds (RFC 6762 section 10): of records that name a host, and of others. */
const hostTtlS = 120;
const otherTtlS = 4500;
/** Of answers to simple resolvers (RFC 6762 section 6.7). */
const legacyTtlS = 10;
const probes = 3;
const probeEveryMs = 250;
const announcements = 2;
const announceEveryMs = 1000;
/** A record is not said again to everybody on a link before that (RFC 6762 section 6). */
const repeatMsMin = 1000;
const firstQuestionMs = 1000;
const longestQuestionMs = 3_600_000;
/** Packets of our own that come back to us are known by their bytes. */
const ownPacketsMax = 32;
/** Instances of others that are remembered on one link. */
const instancesMax = 256;

interface Instance {
  readonly name: DnsName;
  readonly sighting: Sighting | undefined;
  readonly heardAt: MonotonicMs;
  readonly expiresAt: MonotonicMs;
}

/** What goes on on one interface. */
interface Link {
  readonly interface: LocalInterface;
  /** TXT value of this link, sealed once for each name. */
  readonly beacon: Uint8Array;
  /** Probes and announcements sent so far. */
  sent: number;
  sendAt: MonotonicMs | undefined;
  questionPauseMs: number;
  questionAt: MonotonicMs;
  answerAt: MonotonicMs | undefined;
  saidAt: MonotonicMs | undefined;
  readonly instanceByName: Map<string, Instance>;
}

/** Responder and browser of one node. A machine. */
export class DnsSd {
  readonly #discovery: Discovery;
  readonly #entropy: Entropy;
  readonly #random: Random;
  #label = '';
  readonly #linkByName = new Map<string, Link>();
  readonly #outputs: DnsOutput[] = [];
  /** What was sent last: other programs on this computer are heard from the same address. */
  readonly #own = new Set<string>();

  constructor(discovery: Discovery, entropy: Entropy, random: Random) {
    this.#discovery = discovery;
    this.#entropy = entropy;
    this.#random = random;
  }

  /** Interfaces, listeners or the team are others than before: says goodbye under the name before and begins under a new one. */
  restart(now: MonotonicMs): void {
    this.leave();
    this.#label = toHex(this.#entropy.bytes(8));
    for (const each of this.#discovery.interfaces) {
      const beacon = this.#discovery.seal(each);
      if (beacon === undefined) continue;
      this.#linkByName.set(each.name, {
        interface: each,
        beacon,
        sent: 0,
        sendAt: later(now, this.#random.below(probeEveryMs)),
        questionPauseMs: firstQuestionMs,
        questionAt: later(now, 20 + this.#random.below(100)),
        answerAt: undefined,
        saidAt: undefined,
        instanceByName: new Map(),
      });
    }
  }

  /** Says goodbye wherever this node has announced itself, and nothing any more until `restart`. */
  leave(): void {
    for (const link of this.#linkByName.values()) {
      if (link.sent > probes)
        this.#respond(
          link,
          this.#records(link)
            .filter(({ name }) => !isSameName(name, catalogName))
            .map((record) => ({ ...record, ttlS: 0 })),
        );
    }
    this.#linkByName.clear();
  }

  /** Sends what is due. */
  wake(now: MonotonicMs): void {
    for (const link of this.#linkByName.values()) {
      if (link.sendAt !== undefined && link.sendAt <= now) this.#step(link, now);
      if (link.questionAt <= now) this.#ask(link, now);
      if (link.answerAt !== undefined && link.answerAt <= now) this.#announce(link, now);
    }
  }

  poll(): DnsOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const { sendAt, questionAt, answerAt } of this.#linkByName.values()) {
      next = earliest(next, { at: questionAt, reason: 'ask the local network for members' });
      for (const at of [sendAt, answerAt])
        if (at !== undefined) next = earliest(next, { at, reason: 'announce this node on the local network' });
    }
    return next;
  }

  /** Takes a packet of multicast DNS. What is none is ignored. */
  hear(packet: LocalPacket, now: MonotonicMs): void {
    const link = this.#linkByName.get(packet.interface);
    if (this.#discovery.isOwn(packet.host) && this.#own.has(toHex(packet.bytes))) return;
    const decoded = link === undefined ? undefined : decodeDns(packet.bytes);
    if (link === undefined || !decoded?.ok) return;
    if (!decoded.value.isResponse) this.#question(link, decoded.value, packet, now);
    // A response from another port is forged (RFC 6762 section 6).
    else if (packet.port === mdnsPort && !this.#discovery.isOwn(packet.host)) this.#response(link, decoded.value, packet, now);
  }

  // Being found

  get #instance(): DnsName {
    return [this.#label, ...serviceName];
  }

  get #host(): DnsName {
    return [this.#label, 'local'];
  }

  #records({ interface: { addresses, name }, beacon }: Link): DnsRecord[] {
    const ports = this.#discovery.portsOn({ addresses, name });
    const data: readonly (readonly [DnsName, number, boolean, DnsData])[] = [
      [serviceName, otherTtlS, false, { type: dnsType.ptr, target: this.#instance }],
      [this.#instance, hostTtlS, true, { type: dnsType.srv, port: portOf(ports), target: this.#host }],
      [this.#instance, otherTtlS, true, { type: dnsType.txt, strings: [txtString('b', beacon)] }],
      ...addresses.map(
        ({ host, family }) => [this.#host, hostTtlS, true, { type: family === 4 ? dnsType.a : dnsType.aaaa, host }] as const,
      ),
      [catalogName, otherTtlS, false, { type: dnsType.ptr, target: serviceName }],
    ];
    return data.map(([owner, ttlS, flushes, each]) => ({ name: owner, ttlS, flushes, data: each }));
  }

  #step(link: Link, now: MonotonicMs): void {
    if (link.sent < probes) {
      const questions = [this.#instance, this.#host].map((name) => ({ name, type: dnsType.any, isUnicast: true }));
      const authorities = this.#records(link).flatMap((record) => (record.flushes ? [{ ...record, flushes: false }] : []));
      this.#send(link, { questions, authorities });
      link.sendAt = later(now, probeEveryMs);
    } else {
      this.#announce(link, now);
      link.sendAt = link.sent + 1 < probes + announcements ? later(now, announceEveryMs) : undefined;
    }
    link.sent++;
  }

  #announce(link: Link, now: MonotonicMs): void {
    link.answerAt = undefined;
    link.saidAt = now;
    this.#respond(link, this.#records(link));
  }

  #question(link: Link, message: DnsMessage, { host, port }: LocalPacket, now: MonotonicMs): void {
    // Until the probes are through nothing is ours to answer for.
    if (link.sent < probes) return;
    const records = this.#records(link);
    const asked = message.questions.filter((question) => records.some((record) => isAnswer(record, question)));
    const known = (record: DnsRecord): boolean =>
      message.answers.some(
        (each) => isSameName(each.name, record.name) && isSameData(each.data, record.data) && each.ttlS >= record.ttlS / 2,
      );
    const answers = records.filter((record) => asked.some((question) => isAnswer(record, question)) && !known(record));
    if (answers.length === 0) return;
    const additionals = records.filter((record) => record.flushes && !answers.includes(record));
    const to = { host, port };
    if (port !== mdnsPort) {
      const brief = (record: DnsRecord): DnsRecord => ({ ...record, flushes: false, ttlS: Math.min(record.ttlS, legacyTtlS) });
      this.#send(
        link,
        { id: message.id, isResponse: true, questions: asked, answers: answers.map(brief), additionals: additionals.map(brief) },
        to,
      );
    } else if (asked.every(({ isUnicast }) => isUnicast) && message.authorities.length === 0) {
      this.#send(link, { isResponse: true, answers, additionals }, to);
    } else if (link.answerAt === undefined) {
      // All nodes are asked at once: each waits for a moment of its own. Somebody who probes for our name is told without waiting.
      const delayMs = message.authorities.length > 0 ? 0 : 20 + this.#random.below(100);
      link.answerAt = Math.max(
        later(now, delayMs),
        message.authorities.length > 0 || link.saidAt === undefined ? 0 : later(link.saidAt, repeatMsMin),
      ) as MonotonicMs;
    }
  }

  #respond(link: Link, answers: readonly DnsRecord[]): void {
    this.#send(link, { isResponse: true, answers });
  }

  #send(link: Link, message: Partial<DnsMessage>, to?: DnsOutput['to']): void {
    const bytes = encodeDns({ id: 0, isResponse: false, questions: [], answers: [], authorities: [], additionals: [], ...message });
    this.#own.add(toHex(bytes));
    const [oldest] = this.#own;
    if (this.#own.size > ownPacketsMax && oldest !== undefined) this.#own.delete(oldest);
    this.#outputs.push({ interface: link.interface.name, bytes, ...(to === undefined ? {} : { to }) });
  }

  // Finding others

  #ask(link: Link, now: MonotonicMs): void {
    const answers: DnsRecord[] = [];
    for (const [key, { name, heardAt, expiresAt }] of link.instanceByName) {
      if (expiresAt <= now) link.instanceByName.delete(key);
      else if (expiresAt - now > (expiresAt - heardAt) / 2)
        answers.push({
          name: serviceName,
          ttlS: Math.floor((expiresAt - now) / 1000),
          flushes: false,
          data: { type: dnsType.ptr, target: name },
        });
    }
    const isFirst = link.questionPauseMs === firstQuestionMs;
    this.#send(link, { questions: [{ name: serviceName, type: dnsType.ptr, isUnicast: isFirst }], answers });
    link.questionAt = later(now, link.questionPauseMs);
    link.questionPauseMs = Math.min(longestQuestionMs, 3 * link.questionPauseMs);
  }

  #response(link: Link, { answers, additionals }: DnsMessage, packet: LocalPacket, now: MonotonicMs): void {
    const records = [...answers, ...additionals];
    // Somebody else has our name: another is drawn. With 64 random bits that is somebody who wants us to.
    if (link.sent <= probes && records.some(({ name }) => isSameName(name, this.#instance) || isSameName(name, this.#host))) {
      this.restart(now);
      return;
    }
    for (const { name, data, ttlS } of records) {
      if (data.type === dnsType.ptr && isSameName(name, serviceName) && ttlS === 0) this.#forget(link, data.target, packet);
      if (data.type !== dnsType.txt || !isSameName(name.slice(1), serviceName) || isSameName(name, this.#instance)) continue;
      const hosts = records.flatMap((record) =>
        record.data.type === dnsType.srv && isSameName(record.name, name) ? [record.data.target] : [],
      );
      const told = records.flatMap((record) => (hosts.some((host) => isSameName(host, record.name)) ? addressOf(record.data, link) : []));
      if (ttlS > 0) this.#found(link, name, data.strings, ttlS, [packet, ...told], now);
    }
  }

  #found(
    link: Link,
    name: DnsName,
    strings: readonly Uint8Array[],
    ttlS: number,
    hosts: readonly Pick<LocalPacket, 'host' | 'family'>[],
    now: MonotonicMs,
  ): void {
    const beacon = strings.find((each) => each[0] === 0x62 && each[1] === 0x3d)?.slice(2);
    if (beacon === undefined) return;
    const key = name.join('.').toLowerCase();
    const sighting = hosts.map(({ host }) => this.#discovery.open(beacon, host, now)).find((each) => each !== undefined);
    const before = link.instanceByName.get(key);
    if (before === undefined && link.instanceByName.size >= instancesMax) return;
    link.instanceByName.set(key, {
      name,
      sighting: sighting ?? before?.sighting,
      heardAt: now,
      expiresAt: later(now, 1000 * Math.min(ttlS, otherTtlS)),
    });
    if (sighting === undefined) return;
    for (const each of hosts)
      for (const address of addressesOf(sighting.beacon, each)) this.#discovery.candidates.offer(sighting.peer, address, 'dns-sd', now);
  }

  #forget(link: Link, name: DnsName, packet: LocalPacket): void {
    const key = name.join('.').toLowerCase();
    const sighting = link.instanceByName.get(key)?.sighting;
    link.instanceByName.delete(key);
    if (sighting === undefined) return;
    for (const address of addressesOf(sighting.beacon, packet)) this.#discovery.candidates.withdraw(sighting.peer, address);
  }
}

function portOf({ udp4, udp6, tcp4, tcp6 }: BeaconPorts): number {
  return udp6 || udp4 || tcp6 || tcp4;
}

function isAnswer({ name, data }: DnsRecord, question: DnsQuestion): boolean {
  return (question.type === dnsType.any || question.type === typeOf(data)) && isSameName(name, question.name);
}

/** True when two records say the same, however they are written. */
function isSameData(a: DnsData, b: DnsData): boolean {
  const bytes = (data: DnsData): Uint8Array =>
    encodeDns({
      id: 0,
      isResponse: true,
      questions: [],
      answers: [{ name: ['x'], ttlS: 0, flushes: false, data }],
      authorities: [],
      additionals: [],
    });
  return equalBytes(bytes(a), bytes(b)) || (a.type === 12 && b.type === 12 && isSameName(a.target, b.target));
}

/** The host of an address record on a link, with the link's name where the address is of use only there. */
function addressOf(data: DnsData, link: Link): Pick<LocalPacket, 'host' | 'family'>[] {
  if (data.type === dnsType.a) return [{ host: data.host, family: 4 }];
  if (data.type !== dnsType.aaaa) return [];
  return [{ host: data.host.startsWith('fe80:') ? `${data.host}%${link.interface.name}` : data.host, family: 6 }];
}
