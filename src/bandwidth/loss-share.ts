/** Share of packets lost, over about the last `memoryPackets`: older ones count ever less. */
export class LossShare {
  readonly #memoryPackets: number;
  #lost = 0;
  #total = 0;

  constructor(memoryPackets: number) {
    this.#memoryPackets = memoryPackets;
  }

  take(lost: number, arrived: number): void {
    const fading = Math.max(0, 1 - (lost + arrived) / this.#memoryPackets);
    this.#lost = this.#lost * fading + lost;
    this.#total = this.#total * fading + lost + arrived;
  }

  /** 0 to 1; 0 while nothing is known. */
  get share(): number {
    return this.#total === 0 ? 0 : this.#lost / this.#total;
  }
}
