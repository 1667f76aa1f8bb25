import { type KernelSender, kernelLinks } from '../links-kernel.ts';
import { lanRates } from '../links-lan.ts';
import { collapse, handshakeAndIdleBytes, outage, urgency } from '../links-moments.ts';
import { type LinkRow, simulatedGoodput, simulatedMessageShare, socketGoodput, socketMessageShare } from '../links-rows.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * Links: what a session makes of bad ones, over real sockets through the project's own emulator, with the simulator's figure for the same link beside it; and a whole transfer between two processes on a fast one.
 *
 * What needs little of the processor runs at once: the slow links, and waiting. A relayed TCP connection ends at the relay, so that loss does not reach it; TCP on lossy links is therefore
 * measured over an emulator below the kernel, and a session on the same beside it, where the machine lets the bench make one.
 */

const fastRows: readonly LinkRow[] = [
  { name: '10 Mbit/s, 600 ms', rateBitsPerSecond: 10e6, rttMs: 600, seconds: 30, target: 0.93 },
  { name: '10 Mbit/s, 600 ms, 1 % loss', rateBitsPerSecond: 10e6, rttMs: 600, loss: 0.01, seconds: 30, target: 0.91 },
  { name: '10 Mbit/s, 600 ms, 5 % loss', rateBitsPerSecond: 10e6, rttMs: 600, loss: 0.05, seconds: 30, target: 0.86 },
  { name: '1 Mbit/s, 100 ms, 1 % loss', rateBitsPerSecond: 1e6, rttMs: 100, loss: 0.01, seconds: 20, target: 0.93 },
  {
    name: '1 Mbit/s, 300 ms, bursts of loss',
    rateBitsPerSecond: 1e6,
    rttMs: 300,
    // A fifth of the time 40 % are lost: the channel passes 0.92.
    burst: { enter: 0.01, leave: 0.04, loss: 0.4 },
    seconds: 30,
    target: 0.8 * 0.92,
  },
];

const slowRows: readonly LinkRow[] = [
  { name: '64 kbit/s, 800 ms', rateBitsPerSecond: 64e3, rttMs: 800, seconds: 120, target: 0.9 },
  { name: '64 kbit/s, 800 ms, 2 % loss', rateBitsPerSecond: 64e3, rttMs: 800, loss: 0.02, seconds: 120, target: 0.9 },
  { name: '9.6 kbit/s, 1.5 s', rateBitsPerSecond: 9600, rttMs: 1500, seconds: 150, target: 0.88 },
  { name: '2.4 kbit/s, 2 s', rateBitsPerSecond: 2400, rttMs: 2000, seconds: 240, target: 0.85 },
  { name: '2.4 kbit/s, 2 s, 2 % loss', rateBitsPerSecond: 2400, rttMs: 2000, loss: 0.02, seconds: 240, target: 0.85 },
];

const messageRow: LinkRow = { name: '800 bit/s, 500 ms: a message of 10 kB', rateBitsPerSecond: 800, rttMs: 500, seconds: 0, target: 0.8 };
const messageBytes = 10_000;
/** How far sockets and simulator may be apart, a share. */
const apartMax = 0.1;
const lanBytes = 2e9;
const lanTimes = 1.5;

function rowResults(row: LinkRow, onSockets: number, simulated: number): BenchResult[] {
  return [
    atLeast(`${row.name}: goodput`, onSockets, 'of the rate', row.target),
    figure(`${row.name}: in the simulator`, simulated, 'of the rate'),
    atMost(`${row.name}: sockets and simulator apart`, Math.abs(onSockets / simulated - 1), 'share', apartMax),
  ];
}

/** A measurement on sockets, and what follows from it once all are done: the simulator takes the processor for itself. */
type Measured = Promise<() => BenchResult[]>;

async function goodput(row: LinkRow): Measured {
  const onSockets = await socketGoodput(row);
  return () => rowResults(row, onSockets, simulatedGoodput(row));
}

async function message(): Measured {
  const onSockets = await socketMessageShare(messageRow, messageBytes);
  return () => rowResults(messageRow, onSockets, simulatedMessageShare(messageRow, messageBytes));
}

async function beginnings(): Promise<BenchResult[]> {
  const { handshakeBytes, idleBytes } = await handshakeAndIdleBytes();
  return [
    atMost('handshake to the first message delivered, both ways', handshakeBytes, 'bytes', 650),
    atMost('idle session', idleBytes, 'bytes a minute', 120),
  ];
}

async function urgentMessages(): Promise<BenchResult[]> {
  const { medianMs, maxMs, bulk } = await urgency(256e3, 100, 60);
  return [
    atMost('200 critical bytes behind bulk at 256 kbit/s, 100 ms: median', medianMs, 'ms', 160),
    atMost('200 critical bytes behind bulk at 256 kbit/s, 100 ms: longest', maxMs, 'ms', 300),
    atLeast('bulk meanwhile', bulk, 'of the rate', 0.9),
  ];
}

async function outages(): Promise<BenchResult[]> {
  const [rateBitsPerSecond, rttMs] = [1e6, 100];
  const { noticedMs, flowsMs } = await outage(rateBitsPerSecond, rttMs, 60);
  return [
    atMost('dead peer at 1 Mbit/s, 100 ms: noticed after', noticedMs, 'ms', 3 * rttMs + 3000),
    atMost('60 s outage at 1 Mbit/s, 100 ms: data again after', flowsMs, 'ms', rttMs + 500),
  ];
}

async function collapses(): Promise<BenchResult[]> {
  const { floodSeconds, recovered } = await collapse(10e6, 64e3, 50);
  // What was under way at the moment, a round trip and a short queue of the old rate, is 20 s of the new one.
  return [
    atMost('10 Mbit/s to 64 kbit/s under way: more than it carries', floodSeconds, 's of the new rate', 30),
    atLeast('back to 10 Mbit/s: 5 to 10 s later', recovered, 'of the rate', 0.85),
  ];
}

/** A session and TCP, one after the other, on the same lossy links below the kernel. Nothing where such links cannot be made. */
async function besideTcp(): Promise<BenchResult[]> {
  const links = kernelLinks();
  if (links === undefined) return [];
  const senders: Readonly<Record<KernelSender, string>> = { session: 'a session', cubic: 'TCP with CUBIC', bbr: 'TCP with BBR' };
  const results: BenchResult[] = [];
  try {
    for (const row of fastRows.filter(({ rttMs, loss = 0 }) => rttMs === 600 && loss > 0)) {
      for (const sender of Object.keys(senders) as KernelSender[]) {
        const name = `${row.name}, emulated below the kernel: ${senders[sender]}`;
        const value = await links.goodput(row, sender);
        if (value === undefined) continue;
        results.push(sender === 'session' ? atLeast(name, value, 'of the rate', row.target) : figure(name, value, 'of the rate'));
      }
    }
  } finally {
    links.remove();
  }
  return results;
}

async function lan(): Promise<BenchResult[]> {
  const { own, taken, syncthing } = await lanRates(lanBytes);
  const name = '2 GB over TCP on this machine, publication to verified copy';
  const beside = syncthing === undefined ? [] : [figure(`${name}: Syncthing`, syncthing / 1e6, 'MB/s')];
  const asked =
    syncthing === undefined
      ? figure
      : (...[label, value, unit]: [string, number, string]) => atLeast(label, value, unit, (lanTimes * syncthing) / 1e6);
  const [sender, receiver] = taken;
  return [
    asked(name, own / 1e6, 'MB/s'),
    ...beside,
    figure(`${name}: processor of both ends`, ((sender.processorSeconds + receiver.processorSeconds) / lanBytes) * 1e9, 's/GB'),
    figure(`${name}: memory of the sender`, sender.residentBytes / 1e6, 'MB'),
    figure(`${name}: memory of the receiver`, receiver.residentBytes / 1e6, 'MB'),
  ];
}

/** Measures all of it; about ten minutes. */
export async function run(): Promise<BenchResult[]> {
  const slow = [...slowRows.map(goodput), message()];
  const moments = [beginnings(), urgentMessages(), outages()];
  const fast: Awaited<Measured>[] = [];
  for (const row of fastRows) fast.push(await goodput(row));
  const changing = await collapses();
  const beside = await besideTcp();
  const rows = [...fast, ...(await Promise.all(slow))];
  const others = (await Promise.all(moments)).flat();
  return [...rows.flatMap((results) => results()), ...others, ...changing, ...beside, ...(await lan())];
}
