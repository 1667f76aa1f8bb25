import { joulesPerByte, type LinkPreset } from './presets.ts';
import type { RehearsalLink } from './rehearsal-plan.ts';
import type { LinkFigures } from './rehearsal-report.ts';
import type { LinkWindow, SimulatedLink } from './simulated-link.ts';

/**
 * A link of a rehearsal: when it is there, and what it carried, cost and drew.
 */

const dayMs = 24 * 3600 * 1000;

/** The stretches in which both are there. */
export function common(a: readonly LinkWindow[], b: readonly LinkWindow[]): LinkWindow[] {
  const found: LinkWindow[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as LinkWindow, b[j] as LinkWindow];
    const fromMs = Math.max(one.fromMs, other.fromMs);
    const untilMs = Math.min(one.untilMs, other.untilMs);
    if (fromMs < untilMs) found.push({ fromMs, untilMs });
    if (one.untilMs < other.untilMs) i++;
    else j++;
  }
  return found;
}

/** Stretches in order, those that touch or overlap made one. */
export function merged(windows: readonly LinkWindow[]): LinkWindow[] {
  const found: LinkWindow[] = [];
  for (const window of windows.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = found.at(-1);
    if (last === undefined || last.untilMs < window.fromMs) found.push(window);
    else found[found.length - 1] = { fromMs: last.fromMs, untilMs: Math.max(last.untilMs, window.untilMs) };
  }
  return found;
}

/** Stretches of `lengthMs` that begin at `firstMs` and every `everyMs` after it, as far as they lie within `whole`. */
export function repeated(firstMs: number, lengthMs: number, everyMs: number, whole: LinkWindow): LinkWindow[] {
  const count = Math.max(0, Math.ceil((whole.untilMs - firstMs) / everyMs));
  const windows = Array.from({ length: count }, (_, n) => ({ fromMs: firstMs + n * everyMs, untilMs: firstMs + n * everyMs + lengthMs }));
  return common(windows, [whole]);
}

/** When a link is there: in its hours of the day, and in the rhythm of its kind, which begins somewhere (`phase`, 0 to 1). `whole` begins at midnight. */
export function presenceOf(
  { rhythm }: LinkPreset,
  hoursOfDay: RehearsalLink['hoursOfDay'],
  whole: LinkWindow,
  phase: number,
): LinkWindow[] {
  const hourMs = dayMs / 24;
  // Hours that go on after midnight have begun the day before.
  const switchedOn = merged(
    (hoursOfDay ?? [[0, 24]]).flatMap(([from, until]) =>
      repeated(whole.fromMs + from * hourMs - (until > 24 ? dayMs : 0), (until - from) * hourMs, dayMs, whole),
    ),
  );
  if (rhythm === undefined) return switchedOn;
  const { upMs, downMs } = rhythm;
  return common(switchedOn, repeated(whole.fromMs - phase * (upMs + downMs), upMs, upMs + downMs, whole));
}

/** One link between two computers. */
export class RehearsalLinkAccount {
  readonly link: SimulatedLink;
  readonly preset: LinkPreset;
  readonly kind: string;
  readonly windows: readonly LinkWindow[];
  readonly #before: readonly [number, number];

  /** What went over the link until now does not count. */
  constructor(link: SimulatedLink, kind: string, preset: LinkPreset, windows: readonly LinkWindow[]) {
    this.link = link;
    this.kind = kind;
    this.preset = preset;
    this.windows = windows;
    this.#before = [link.trafficFrom(link.ends[0]).bytes, link.trafficFrom(link.ends[1]).bytes];
  }

  /** Bytes that entered at each end. */
  get bytes(): readonly [number, number] {
    const { link } = this;
    return [link.trafficFrom(link.ends[0]).bytes - this.#before[0], link.trafficFrom(link.ends[1]).bytes - this.#before[1]];
  }

  /** How long it was there, up to an instant. */
  upMs(untilMs: number): number {
    return this.windows.reduce((sum, window) => sum + Math.max(0, Math.min(window.untilMs, untilMs) - window.fromMs), 0);
  }

  /** What the radio at one end drew, up to an instant. */
  joules(end: string, untilMs: number): number {
    const { link, preset } = this;
    const side = link.ends.indexOf(end);
    if (side < 0 || (side === 1 && preset.hasOneModem)) return 0;
    const sent = (this.bytes[side] ?? 0) * joulesPerByte(preset, side === 0 ? preset.up : preset.down);
    return sent + (preset.standbyWatts * this.upMs(untilMs)) / 1000;
  }

  figures(whole: LinkWindow): LinkFigures {
    const { link, preset, kind, bytes } = this;
    const upMs = this.upMs(whole.untilMs);
    const share = (sent: number, rate: number | undefined): number =>
      upMs === 0 || rate === undefined ? 0 : sent / ((rate * upMs) / 1000);
    return {
      name: `${link.ends.join(' – ')}${link.medium && ` (${link.medium})`}`,
      kind,
      bytes,
      usd: ((bytes[0] + bytes[1]) / 1e6) * preset.usdPerMegabyte,
      upShare: upMs / (whole.untilMs - whole.fromMs),
      usedShare: Math.max(share(bytes[0], preset.up.rateBytesPerSecond), share(bytes[1], preset.down.rateBytesPerSecond)),
    };
  }
}
