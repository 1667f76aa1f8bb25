import type { RehearsalLinkAccount } from './rehearsal-link.ts';
import type { RehearsalSite } from './rehearsal-plan.ts';
import type { SiteFigures } from './rehearsal-report.ts';
import type { SimulatedNode } from './simulated-node.ts';

/** A disk without a limit: what is taken of it can still be told. */
const ampleBytes = 1e15;
/** The computer is switched on again when the battery has this share of its charge. */
const startShare = 0.2;
const joulesPerWattHour = 3600;

/** What one site draws, and what it stores. */
export class RehearsalPowerAccount {
  readonly site: RehearsalSite;
  readonly #node: SimulatedNode;
  readonly #links: readonly RehearsalLinkAccount[];
  readonly #diskBytes: number;
  #atMs: number;
  #radioJoules = 0;
  #joules = 0;
  #chargeJoules: number;
  #chargeMinJoules: number;
  #diskBytesMax = 0;
  #powerCuts = 0;

  constructor(site: RehearsalSite, node: SimulatedNode, links: readonly RehearsalLinkAccount[], nowMs: number) {
    this.site = site;
    this.#node = node;
    this.#links = links;
    this.#diskBytes = site.diskBytes ?? ampleBytes;
    this.#atMs = nowMs;
    this.#chargeJoules = (site.power?.batteryWattHours ?? 0) * joulesPerWattHour;
    this.#chargeMinJoules = this.#chargeJoules;
    node.disk.freeBytes = this.#diskBytes;
  }

  /** Brings the books to now. What has to be done: the battery is empty, or has enough again. */
  look(nowMs: number): 'switch-off' | 'switch-on' | undefined {
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#diskBytesMax = Math.max(this.#diskBytesMax, this.#diskBytes - this.#node.disk.freeBytes);
    const radioJoules = this.#links.reduce((sum, link) => sum + link.joules(this.site.name, nowMs), 0);
    const radioUsed = radioJoules - this.#radioJoules;
    this.#radioJoules = radioJoules;
    const { power } = this.site;
    if (power === undefined) return undefined;
    const isOn = this.#node.isRunning;
    const used = isOn ? power.drawWatts * seconds + radioUsed : 0;
    this.#joules += used;
    const full = power.batteryWattHours * joulesPerWattHour;
    this.#chargeJoules = Math.min(full, Math.max(0, this.#chargeJoules + power.supplyWatts * seconds - used));
    this.#chargeMinJoules = Math.min(this.#chargeMinJoules, this.#chargeJoules);
    if (isOn && this.#chargeJoules === 0) {
      this.#powerCuts++;
      return 'switch-off';
    }
    return !isOn && this.#chargeJoules >= full * startShare ? 'switch-on' : undefined;
  }

  figures(): Omit<SiteFigures, 'waitingBytesMax'> {
    const { name, diskBytes, power } = this.site;
    return {
      name,
      diskBytesMax: this.#diskBytesMax,
      ...(diskBytes === undefined ? {} : { diskBytes }),
      ...(power === undefined
        ? {}
        : {
            wattHours: this.#joules / joulesPerWattHour,
            batteryShareMin: this.#chargeMinJoules / (power.batteryWattHours * joulesPerWattHour),
          }),
      radioWattHours: this.#radioJoules / joulesPerWattHour,
      powerCuts: this.#powerCuts,
    };
  }
}
