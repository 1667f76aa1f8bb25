import type { PriorityClass } from '../core/priority.ts';

/**
 * What a rehearsal found, as data and as a page to read. The margin says how far something is from breaking: 1 is untouched, 0 is at its limit, below that it broke. The smallest one comes first.
 */

/** How data of one class came to one site. An item is a file, or the rows of one reading of an instrument. */
export interface DeliveryFigures {
  readonly priority: PriorityClass;
  readonly to: string;
  readonly items: number;
  readonly delivered: number;
  /** Bytes of all items, as files and as the instrument's text. */
  readonly bytes: number;
  /** Of those delivered; absent when there are none. */
  readonly medianMs?: number;
  readonly p90Ms?: number;
  /** Oldest of all: of what has not arrived, its age at the end. */
  readonly oldestMs: number;
}

/** What went over a link, or was carried on a stick. */
export interface LinkFigures {
  readonly name: string;
  /** The preset, or `stick`. */
  readonly kind: string;
  /** Bytes each way, all headers counted; on a stick: written and read. */
  readonly bytes: readonly [number, number];
  readonly usd: number;
  /** Share of the time in which it was there. */
  readonly upShare: number;
  /** Share of what it could carry while it was there, of the fuller way. */
  readonly usedShare: number;
}

/** What a computer needed. */
export interface SiteFigures {
  readonly name: string;
  /** Largest amount of data made here that had not yet arrived wherever it is wanted. */
  readonly waitingBytesMax: number;
  /** Largest amount on disk: working files and contents, own and carried for others. */
  readonly diskBytesMax: number;
  readonly diskBytes?: number;
  readonly wattHours?: number;
  /** Of radios alone. */
  readonly radioWattHours: number;
  readonly batteryShareMin?: number;
  /** How often the battery ran empty. */
  readonly powerCuts: number;
}

/** How far something is from breaking. */
export interface Margin {
  readonly kind: 'link' | 'storage' | 'energy' | 'latency';
  readonly what: string;
  /** 1 untouched, 0 at the limit, negative beyond it. */
  readonly margin: number;
  /** One sentence with the figures behind it. */
  readonly because: string;
}

/** What a rehearsal found. */
export interface RehearsalReport {
  readonly name: string;
  readonly days: number;
  readonly seed: number;
  /** Equal for equal runs, on every machine. */
  readonly digest: string;
  readonly deliveries: readonly DeliveryFigures[];
  readonly links: readonly LinkFigures[];
  readonly sites: readonly SiteFigures[];
  /** What breaks first comes first. */
  readonly margins: readonly Margin[];
  /** What nodes and people reported, with how often. */
  readonly problems: readonly { readonly what: string; readonly count: number }[];
}

/** A rehearsal's report as Markdown. */
export function rehearsalMarkdown(report: RehearsalReport): string {
  const { name, days, seed, deliveries, links, sites, margins, problems } = report;
  const usd = links.reduce((sum, link) => sum + link.usd, 0);
  return [
    `# ${name}`,
    `${days} days, seed ${seed}. Links cost ${money(usd)}.`,
    '## What breaks first',
    margins.length === 0
      ? 'Nothing has a limit.'
      : table(
          ['', 'margin', 'why'],
          margins.slice(0, 8).map(({ kind, what, margin, because }) => [`${kind}: ${what}`, percent(margin), because]),
        ),
    '## Deliveries',
    table(
      ['class', 'to', 'arrived', 'data', 'median', '90 %', 'oldest'],
      deliveries.map(({ priority, to, items, delivered, bytes, medianMs, p90Ms, oldestMs }) => [
        priority,
        to,
        `${delivered} of ${items}`,
        size(bytes),
        span(medianMs),
        span(p90Ms),
        span(oldestMs),
      ]),
    ),
    '## Links',
    table(
      ['link', 'kind', 'there', 'back', 'cost', 'up', 'used of that'],
      links.map(({ name: link, kind, bytes, usd: cost, upShare, usedShare }) => [
        link,
        kind,
        size(bytes[0]),
        size(bytes[1]),
        money(cost),
        percent(upShare),
        percent(usedShare),
      ]),
    ),
    '## Sites',
    table(
      ['site', 'waiting at most', 'on disk at most', 'energy', 'of radios', 'battery at least', 'power cuts'],
      sites.map((site) => [
        site.name,
        size(site.waitingBytesMax),
        site.diskBytes === undefined ? size(site.diskBytesMax) : `${size(site.diskBytesMax)} of ${size(site.diskBytes)}`,
        site.wattHours === undefined ? '–' : `${site.wattHours.toFixed(1)} Wh`,
        `${site.radioWattHours.toFixed(2)} Wh`,
        site.batteryShareMin === undefined ? '–' : percent(site.batteryShareMin),
        String(site.powerCuts),
      ]),
    ),
    ...(problems.length === 0
      ? []
      : [
          '## Problems',
          table(
            ['what', 'times'],
            problems.map(({ what, count }) => [what, String(count)]),
          ),
        ]),
    '',
  ].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '/')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function percent(share: number): string {
  const value = share * 100;
  return `${Math.abs(value) < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`;
}

function money(usd: number): string {
  return `${usd.toFixed(2)} USD`;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

function size(bytes: number): string {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(3)} ${units[power]}`;
}

function span(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(0)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
