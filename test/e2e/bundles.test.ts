import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { AgentProcess } from './agent-process.ts';

const agents: AgentProcess[] = [];
const directory = mkdtempSync(join(tmpdir(), 'godwit-bundles-'));

function start(name: string): AgentProcess {
  const agent = new AgentProcess(join(directory, name), '--name', name);
  agents.push(agent);
  return agent;
}

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.end('SIGKILL')));
  rmSync(directory, { recursive: true });
});

it('a stick goes from one agent process to another and back', async () => {
  const glacier = start('glacier');
  const valley = start('valley');
  for (const each of ['stick', 'glacier-notes', 'valley-notes']) mkdirSync(join(directory, each));
  const stick = join(directory, 'stick');
  await glacier.result('createTeam', { name: 'Storbreen' });
  const address = await glacier.result('listen', { address: 'tcp://127.0.0.1:0' });
  await valley.result('join', { code: await glacier.result('createInvite', { addresses: [address] }) });
  // From now on they have no way to each other but the stick: valley was told no address that is kept.
  expect(await valley.end('SIGTERM')).toMatchObject({ status: 0 });
  expect(await glacier.end('SIGTERM')).toMatchObject({ status: 0 });

  const camp = start('glacier');
  await camp.result('createDataset', { name: 'notes', kind: 'files' });
  await camp.result('attach', { dataset: 'notes', directory: join(directory, 'glacier-notes') });
  writeFileSync(join(directory, 'glacier-notes/today.txt'), 'Snow bridge gone.\n');
  await camp.result('scan', { dataset: 'notes', settleMs: 0 });
  expect(await camp.result('exportBundle', { media: stick })).toMatchObject({ contents: 1, contentsLeft: 0 });
  for (const name of readdirSync(join(stick, 'godwit'))) {
    expect(name).toMatch(/^[0-9a-z]{8}\.gwb$/);
    expect(readFileSync(join(stick, 'godwit', name)).includes('Snow bridge')).toBe(false);
  }

  const town = start('valley');
  expect(await town.result('importBundle', { media: stick })).toMatchObject({ contents: 1, problems: [], receipts: 'written' });
  await town.result('attach', { dataset: 'notes', directory: join(directory, 'valley-notes') });
  await town.result('scan', { dataset: 'notes', settleMs: 0 });
  await town.result('idle');
  expect(readFileSync(join(directory, 'valley-notes/today.txt'), 'utf8')).toBe('Snow bridge gone.\n');

  expect(await camp.result('deliveries', { dataset: 'notes' })).toMatchObject([{ name: 'valley', state: 'queued' }]);
  await camp.result('importBundle', { media: stick });
  expect(await camp.result('deliveries', { dataset: 'notes' })).toMatchObject([{ name: 'valley', state: 'delivered' }]);
  expect((await camp.ask('importBundle', { media: directory })).error).toMatchObject({ code: 'BUNDLE_MISSING', retryable: false });
});
