import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import { RehearsalCamp } from './rehearsal-camp.ts';
import { RehearsalLedger } from './rehearsal-ledger.ts';
import { repeated } from './rehearsal-link.ts';
import { mistakeIn, type Rehearsal, type RehearsalFile, type RehearsalInstrument, type RehearsalTrip } from './rehearsal-plan.ts';
import type { LinkFigures, Margin, RehearsalReport, SiteFigures } from './rehearsal-report.ts';
import { RehearsalTable } from './rehearsal-table.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { UsbStick } from './usb-stick.ts';

/**
 * Rehearses a camp: real nodes in a simulated one, for as many days as it lasts.
 *
 * Before the first day everybody is together: computers join the team and learn of its datasets, are switched off, and carried out. Then the links are what the plan says, instruments write, people walk.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const place = '/media/stick';

/**
 * Lets a camp live through its days and says how it went. Give it to `rehearsalMarkdown` to read it.
 *
 * Sticks are read and written in no time; a laptop takes as long as its Wi-Fi. Needs about a second of processor time for a day of a few busy sites.
 *
 * @throws GodwitError `REHEARSAL_INVALID` when the plan has a word that is not known, names a site that it does not have, or a figure makes no sense: the message says where
 */
export async function rehearse(plan: Rehearsal): Promise<RehearsalReport> {
  const mistake = mistakeIn(plan);
  if (mistake !== undefined) throw new GodwitError('REHEARSAL_INVALID', `The plan of this rehearsal does not fit: ${mistake}.`);
  const run = new RehearsalRun(plan);
  return run.play();
}

/** One rehearsal while it goes on. */
class RehearsalRun {
  readonly #plan: Rehearsal;
  readonly #camp: RehearsalCamp;
  readonly #ledger: RehearsalLedger;
  readonly #sticks: { readonly who: string; readonly stick: UsbStick }[] = [];

  constructor(plan: Rehearsal) {
    this.#plan = plan;
    this.#camp = new RehearsalCamp(plan);
    this.#ledger = new RehearsalLedger(plan.wantedAt ?? plan.sites.map(({ name }) => name));
  }

  async play(): Promise<RehearsalReport> {
    const { instruments = [], files = [], trips = [] } = this.#plan;
    const camp = this.#camp;
    const series = instruments.map(({ name, priority = 'normal' }) => ({ name, kind: 'series' as const, priority }));
    const classes = [...new Set(files.map(({ priority = 'bulk' }) => priority))];
    const folders = classes.map((priority) => ({ name: folderOf(priority), kind: 'files' as const, priority }));
    const ids = await camp.settle([...series, ...folders]);
    const idOf = (name: string): DatasetId => ids.get(name) as DatasetId;
    for (const instrument of instruments) this.#measure(instrument, idOf(instrument.name));
    for (const file of files) this.#write(file, idOf(folderOf(file.priority ?? 'bulk')));
    for (const trip of trips) if (trip.carries === 'usb-stick') this.#walk(trip);
    for (const node of camp.world.nodes) this.#watchFiles(node, new Map(classes.map((each) => [idOf(folderOf(each)), each])));
    await camp.live();
    return this.#report();
  }

  /** The logger writes its table; the computer reads it. */
  #measure(instrument: RehearsalInstrument, dataset: DatasetId): void {
    const { name, site, rowsPerHour, readEveryMinutes = 60, priority = 'normal' } = instrument;
    const { world, whole } = this.#camp;
    const table = new RehearsalTable(
      name,
      rowsPerHour,
      this.#camp.wallMs(site),
      this.#plan.sites.findIndex((each) => each.name === site),
    );
    const totals: number[] = [];
    for (const { fromMs } of repeated(whole.fromMs + readEveryMinutes * minuteMs, 1, readEveryMinutes * minuteMs, whole))
      world.at(fromMs, () => {
        const { path, bytes, grownBytes, rows } = table.until((fromMs - whole.fromMs) / hourMs);
        if (grownBytes > 0) {
          totals.push(rows);
          this.#ledger.made(`${name} ${rows}`, { site, priority, bytes: grownBytes }, fromMs);
        }
        this.#camp.do(site, `reading ${name}`, async (node) => {
          node.directory(name).put(path, bytes);
          await node.node.ingest(dataset, name, { profile: { utcOffsetMinutes: 0 }, paths: [path] });
        });
      });
    for (const node of world.nodes) {
      let seen = 0;
      node.onEvent((event) => {
        if (event.type !== 'entries' || event.dataset !== dataset || seen >= totals.length) return;
        const rows = node.node.tables(dataset).reduce((sum, each) => sum + each.rows, 0);
        for (; (totals[seen] ?? Infinity) <= rows; seen++) this.#ledger.arrived(`${name} ${totals[seen]}`, node.name, world.nowMs);
      });
    }
  }

  /** Somebody saves a file, and the computer publishes it. */
  #write(file: RehearsalFile, dataset: DatasetId): void {
    const { name, site, sizeBytes, firstHour = 1, everyHours, priority = 'bulk' } = file;
    const { world, whole } = this.#camp;
    const everyMs = (everyHours ?? this.#plan.days * 24) * hourMs;
    for (const [index, { fromMs }] of repeated(whole.fromMs + firstHour * hourMs, 1, everyMs, whole).entries())
      world.at(fromMs, () => {
        const path = `${site}/${name}-${index + 1}.bin`;
        this.#ledger.made(`${folderOf(priority)} ${path}`, { site, priority, bytes: sizeBytes }, fromMs);
        this.#camp.do(site, `saving ${name}`, async (node) => {
          node.directory(folderOf(priority)).put(path, world.random.bytes(sizeBytes));
          await node.node.scan(dataset, { settleMs: 0 });
        });
      });
  }

  #watchFiles(node: SimulatedNode, classByDataset: ReadonlyMap<DatasetId, PriorityClass>): void {
    node.onEvent((event) => {
      if (event.type !== 'file-written') return;
      const priority = classByDataset.get(event.dataset);
      if (priority !== undefined) this.#ledger.arrived(`${folderOf(priority)} ${event.path}`, node.name, this.#camp.world.nowMs);
    });
  }

  /** Somebody takes a stick from site to site: what it brings is taken first, then it is filled for everybody else. */
  #walk({ who, stops, everyHours }: RehearsalTrip): void {
    const { world, whole } = this.#camp;
    const stick = new UsbStick();
    this.#sticks.push({ who, stick });
    const everyMs = (everyHours ?? this.#plan.days * 24) * hourMs;
    for (const { site, hour, minutes } of stops)
      for (const { fromMs, untilMs } of repeated(whole.fromMs + hour * hourMs, minutes * minuteMs, everyMs, whole)) {
        world.at(fromMs, () =>
          this.#camp.do(site, `the stick of ${who}`, async (node) => {
            node.sticks.set(place, stick);
            if (stick.names.length > 0) await node.node.bundles.import(place).catch(passOver);
            await node.node.bundles.export(place);
          }),
        );
        world.at(untilMs, () => void world.node(site).sticks.delete(place));
      }
  }

  #report(): RehearsalReport {
    const { name, days, seed = 1 } = this.#plan;
    const camp = this.#camp;
    const deliveries = this.#ledger.figures(camp.whole.untilMs);
    const sticks = this.#sticks.map(
      ({ who, stick }): LinkFigures => ({
        name: `stick of ${who}`,
        kind: 'stick',
        bytes: [stick.bytesWritten, stick.bytesRead],
        usd: 0,
        upShare: 0,
        usedShare: 0,
      }),
    );
    const links = [...camp.links.map((link) => link.figures(camp.whole)), ...sticks];
    const sites = camp.power.map(
      (account): SiteFigures => ({ ...account.figures(), waitingBytesMax: this.#ledger.waitingBytesMax(account.site.name) }),
    );
    const late = deliveries.flatMap(({ priority, to, oldestMs }): Margin[] => {
      const hoursMax = this.#plan.hoursMax?.[priority];
      if (hoursMax === undefined) return [];
      const because = `the oldest was ${(oldestMs / hourMs).toFixed(1)} h old; ${hoursMax} h are allowed`;
      return [{ kind: 'latency', what: `${priority} at ${to}`, margin: 1 - oldestMs / (hoursMax * hourMs), because }];
    });
    const margins = [...links.flatMap(linkMargin), ...sites.flatMap(siteMargins), ...late].sort((a, b) => a.margin - b.margin);
    return { name, days, seed, digest: camp.world.trace.digest(), deliveries, links, sites, margins, problems: camp.problems };
  }
}

function folderOf(priority: PriorityClass): string {
  return `files-${priority}`;
}

/** A stick without anything for this site is nothing to complain of. */
function passOver(error: unknown): void {
  const nothingFor = ['BUNDLE_MISSING', 'BUNDLE_NOT_ADDRESSED'];
  if (!(error instanceof GodwitError) || !nothingFor.includes(error.code)) throw error;
}

function linkMargin({ name, kind, usedShare, upShare }: LinkFigures): Margin[] {
  if (upShare === 0) return [];
  const because = `${(usedShare * 100).toFixed(1)} % of what it carries in the ${(upShare * 100).toFixed(0)} % of the time that it is there`;
  return [{ kind: 'link', what: `${name}, ${kind}`, margin: 1 - usedShare, because }];
}

function siteMargins({ name, diskBytes, diskBytesMax, batteryShareMin, powerCuts }: SiteFigures): Margin[] {
  const found: Margin[] = [];
  if (diskBytes !== undefined) {
    const because = `${(diskBytesMax / 1e6).toFixed(1)} MB of ${(diskBytes / 1e6).toFixed(1)} MB were taken`;
    found.push({ kind: 'storage', what: name, margin: 1 - diskBytesMax / diskBytes, because });
  }
  if (batteryShareMin !== undefined) {
    const because = powerCuts > 0 ? `it was empty ${powerCuts} times` : `it fell to ${(batteryShareMin * 100).toFixed(0)} %`;
    found.push({ kind: 'energy', what: name, margin: batteryShareMin, because: `the battery: ${because}` });
  }
  return found;
}
