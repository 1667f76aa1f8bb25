import { measureCircuits, measureHops } from '../mesh-circuits.ts';
import { measureMoving } from '../mesh-moving.ts';
import { measureSockets } from '../mesh-sockets.ts';
import { measureCalm, measureEvent, type TopologyEventName, type TopologyName } from '../mesh-topologies.ts';
import { atLeast, atMost, type BenchResult } from '../result.ts';

/**
 * Routing on the design's two 20-node networks and among 200 that move, in virtual time: real mesh machines over modelled sessions, 1 Mbit/s and 10 ms round trip a link, every header and acknowledgement counted. Circuits among whole
 * nodes over simulated links; and four processes in network namespaces where those can be made.
 *
 * Events are silent. Runs in which an event breaks no path measure nothing and are left out. What `babeld` needs for the same events stands in the design, section 12.
 */

const topologies: readonly TopologyName[] = ['grid5x4', 'cells4'];
const events: readonly TopologyEventName[] = ['cut', 'death', 'move'];
const runs = 15;

/** What is held against what: whether something is owed, the loss, and the seconds allowed in the median and at worst. */
const conditions = [
  { name: 'owed', owed: true, lossRatio: 0, median: 2.5, worst: 5 },
  { name: 'owed, 20 % loss', owed: true, lossRatio: 0.2, median: 5, worst: 10 },
  { name: 'from new demand', owed: false, lossRatio: 0, median: 3, worst: 6 },
];

export async function run(): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  let loops = 0;
  for (const topology of topologies) {
    const calm = measureCalm(topology, 1);
    results.push(atMost(`${topology}: all pairs reachable after all are up`, calm.upSeconds, 's', 2));
    results.push(atMost(`${topology}: control, nothing owed`, calm.asleep, 'B/node/min', 400));
    results.push(atMost(`${topology}: control, everything owed`, calm.awake, 'B/node/min', 6000));
    for (const { name, owed, lossRatio, median, worst } of conditions) {
      for (const event of events) {
        const measured = Array.from({ length: runs }, (_, i) => measureEvent(topology, event, owed, lossRatio, i + 1));
        for (const each of measured) loops += each.loops;
        const seconds = measured.map((each) => each.repairSeconds).filter((each) => each > 0);
        seconds.sort((a, b) => a - b);
        results.push(atMost(`${topology}: ${event}, ${name}, median`, seconds[seconds.length >> 1] ?? 0, 's', median));
        results.push(atMost(`${topology}: ${event}, ${name}, worst`, seconds.at(-1) ?? 0, 's', worst));
      }
    }
  }
  results.push(
    atLeast('file through two relays, three hops of 1 Mbit/s, one shared channel each: goodput of a hop', await measureHops(1), '', 0.85),
  );
  const circuits = await measureCircuits(1);
  results.push(atLeast('circuit over the same hops: goodput of a hop', circuits.goodputShare, '', 0.85));
  results.push({ name: 'circuit over three hops: until it carries a session', value: circuits.setUpSeconds, unit: 's', met: true });
  results.push({ name: 'circuit over three hops: bytes until then, of all nodes', value: circuits.setUpBytes, unit: 'B', met: true });
  results.push({ name: 'joining through two relays', value: circuits.joiningSeconds, unit: 's', met: true });
  results.push({ name: 'joining through two relays: bytes of all nodes', value: circuits.joiningBytes, unit: 'B', met: true });
  const sockets = await measureSockets();
  if (sockets !== undefined) {
    results.push({ name: 'real sockets, ring of four: all have found all', value: sockets.upSeconds, unit: 's', met: true });
    results.push(atMost('real sockets: cable cut, then a file goes round', sockets.roundSeconds, 's', 6));
  }
  const moving = measureMoving(200, 1);
  loops += moving.loops;
  results.push(atLeast('200 nodes moving: reachable pairs with a working route', moving.workingShare, '', 0.99));
  for (const { delayMs, workingShare } of moving.bounds)
    results.push({ name: `200 nodes moving: bound when links are used after ${delayMs} ms`, value: workingShare, unit: '', met: true });
  results.push({ name: '200 nodes moving: neighbours', value: moving.degree, unit: '', met: true });
  results.push({ name: '200 nodes moving: control', value: moving.bytesPerNodeMinute, unit: 'B/node/min', met: true });
  results.push(atMost('routing loops at any instant', loops, '', 0));
  return results;
}
