import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runCampaign } from '../src/simulation/campaign.ts';
import { drawPlan } from '../src/simulation/campaign-plan.ts';
import { neverMet, type Situation } from '../src/simulation/marks.ts';
import { planOfCase, report, shrink } from '../src/simulation/shrinking.ts';

/**
 * The fault campaign, for as long as one likes:
 *
 *     npm run soak -- --minutes 60           fresh seeds in two processes
 *     npm run soak -- --seeds 1000 --from 1  these thousand seeds
 *     npm run soak -- --seed 17 --without hut,s3,s9   one case, with its timeline
 *
 * A seed that fails is shrunk and printed with the command that runs it again. The exit code is 1 when one failed, or when an interesting situation never occurred in a batch of `batchMin` or more.
 */

interface Order {
  readonly from: number;
  readonly step: number;
  readonly untilMs: number;
  readonly seedsMax: number;
}

interface Outcome {
  readonly seeds: number;
  readonly virtualMs: number;
  readonly failed: readonly number[];
  readonly marks: readonly Situation[];
}

const workers = 2;
/** A smaller batch need not have met everything. */
const batchMin = 300;
/** Failing seeds that are shrunk; of the others the number is told. */
const shrunkMax = 5;

async function work({ from, step, untilMs, seedsMax }: Order): Promise<Outcome> {
  const failed: number[] = [];
  const marks = new Set<Situation>();
  let [seeds, virtualMs] = [0, 0];
  for (let seed = from; seeds < seedsMax && Date.now() < untilMs; seed += step, seeds++) {
    const verdict = await runCampaign(drawPlan(seed));
    virtualMs += verdict.virtualMs;
    for (const mark of verdict.marks) marks.add(mark);
    if (verdict.problems.length === 0) continue;
    failed.push(seed);
    if (failed.length <= shrunkMax) console.log(`\n${report(await shrink(verdict))}`);
    else console.log(`Seed ${seed} fails: ${verdict.problems[0]}`);
  }
  return { seeds, virtualMs, failed, marks: [...marks] };
}

/** Does an order in a process of its own. */
function inProcess(order: Order): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--worker', JSON.stringify(order)]);
    let outcome: Outcome | undefined;
    child.on('message', (message) => {
      outcome = message as Outcome;
    });
    child.on('exit', (code) => {
      if (outcome !== undefined) resolve(outcome);
      else reject(new Error(`a worker from seed ${order.from} ended with code ${code}`));
    });
  });
}

async function soak(minutes: number, seeds: number, from: number): Promise<number> {
  console.log(`Seeds from ${from}, ${Number.isFinite(seeds) ? `${seeds} of them` : `for ${minutes} minutes`}, in ${workers} processes.`);
  const untilMs = Number.isFinite(seeds) ? Number.MAX_SAFE_INTEGER : Date.now() + minutes * 60_000;
  const orders = Array.from({ length: workers }, (_, index) => ({
    from: from + index,
    step: workers,
    untilMs,
    seedsMax: Number.isFinite(seeds) ? Math.ceil((seeds - index) / workers) : Number.MAX_SAFE_INTEGER,
  }));
  const outcomes = await Promise.all(orders.map(inProcess));
  const total = outcomes.reduce((sum, outcome) => sum + outcome.seeds, 0);
  const failed = outcomes.flatMap((outcome) => outcome.failed).sort((a, b) => a - b);
  const missing = neverMet(outcomes.map(({ marks }) => new Set(marks)));
  const hours = outcomes.reduce((sum, { virtualMs }) => sum + virtualMs, 0) / 3_600_000;
  console.log(
    `\n${total} seeds, ${hours.toFixed(0)} virtual hours, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}.`,
  );
  if (missing.length > 0) console.log(`Never occurred: ${missing.join('; ')}.`);
  return failed.length > 0 || (total >= batchMin && missing.length > 0) ? 1 : 0;
}

async function one(seed: number, removed: readonly string[]): Promise<number> {
  const verdict = await runCampaign(planOfCase(seed, removed));
  if (verdict.problems.length > 0) console.log(report({ verdict, without: removed }));
  else console.log(`${verdict.timeline.join('\n')}\nSeed ${seed} passes. Trace ${verdict.digest.slice(0, 16)}.`);
  return verdict.problems.length > 0 ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    seed: { type: 'string' },
    without: { type: 'string', default: '' },
    worker: { type: 'string' },
  },
});

if (values.worker !== undefined) {
  process.send?.(await work(JSON.parse(values.worker) as Order));
} else if (values.seed !== undefined) {
  process.exitCode = await one(Number(values.seed), values.without.split(',').filter(Boolean));
} else {
  // Fresh seeds every second of every day, unless told where to begin.
  const from = values.from === undefined ? Math.floor(Date.now() / 1000) % 2 ** 31 : Number(values.from);
  process.exitCode = await soak(Number(values.minutes), values.seeds === undefined ? Number.POSITIVE_INFINITY : Number(values.seeds), from);
}
