/**
 * Long work on the whole store, done in steps, so that whoever does it decides how much at a time and what comes between.
 */
export class SteppedWork {
  readonly #work: AsyncGenerator<number, void, void>;

  /** @param work yields what each piece of it cost, in bytes of reading and writing */
  constructor(work: AsyncGenerator<number, void, void>) {
    this.#work = work;
  }

  /** Goes on with about `budgetBytes` of work; a piece is not divided. True when all of it is done. Throws what the work throws, and then the work is over. */
  async step(budgetBytes: number): Promise<boolean> {
    for (let spentBytes = 0; spentBytes < budgetBytes; ) {
      const next = await this.#work.next();
      if (next.done === true) return true;
      spentBytes += next.value;
    }
    return false;
  }

  /** Gives the work up, between two steps. */
  async stop(): Promise<void> {
    await this.#work.return();
  }
}
