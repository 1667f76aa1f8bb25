import { createSocket } from 'node:dgram';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AgentProcess } from './agent-process.ts';

const agents: AgentProcess[] = [];
const directories: string[] = [];

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-agent-'));
  directories.push(directory);
  return directory;
}

function start(...parameters: readonly string[]): AgentProcess {
  const agent = new AgentProcess(...parameters);
  agents.push(agent);
  return agent;
}

afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.end('SIGKILL')));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** Two agents of one team: the first listens at an address of the scheme, the second has joined by an invite. */
async function team(scheme: 'udp' | 'tcp') {
  const directory = temporaryDirectory();
  const glacier = start(join(directory, 'glacier'), '--name', 'glacier');
  const valley = start(join(directory, 'valley'), '--name', 'valley');
  const { id: glacierId } = await glacier.ready();
  const { id: valleyId } = await valley.ready();
  const teamId = await glacier.result('createTeam', { name: 'Storbreen' });
  await glacier.result('listen', { address: `${scheme}://127.0.0.1:0`, keep: true });
  const code = await glacier.result('createInvite');
  const joined = await valley.result('join', { code });
  return { directory, glacier, valley, glacierId, valleyId, teamId, joined };
}

describe('an agent process', () => {
  it('says who it is first, and answers every line whatever is in it', async () => {
    const agent = start(temporaryDirectory(), '--name', 'hut');
    const { id, name } = await agent.ready();
    expect([id, name]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), 'hut']);
    expect(agent.lines[0]).toEqual({ ready: { id, name } });

    agent.write('{"id": 1, "method": ');
    expect((await agent.line((line) => line.error !== undefined)).error?.code).toBe('REQUEST_MALFORMED');
    expect((await agent.ask('fly')).error?.code).toBe('REQUEST_UNKNOWN');
    expect((await agent.ask('createTeam', { name: '' })).error?.code).toBe('REQUEST_MALFORMED');
    expect((await agent.ask('addContact', { member: 'valley', addresses: [] })).error?.code).toBe('REQUEST_MALFORMED');
    expect((await agent.ask('createDataset', { name: 'notes', kind: 'files' })).error?.code).toBe('NO_TEAM');
    expect(await agent.result('status')).toMatchObject({ id, name: 'hut', team: null });
  });

  it('ends in order when it is told to, and answers what still waits', async () => {
    const agent = start(temporaryDirectory());
    await agent.ready();
    await agent.result('createTeam', { name: 'Storbreen' });
    // Nobody answers at the discard port, so the other agent waits for its team until it ends.
    const code = await agent.result('createInvite', { addresses: ['udp://127.0.0.1:9'] });
    const other = start(temporaryDirectory());
    await other.ready();
    const joining = other.ask('join', { code });
    expect(await other.result('status')).toMatchObject({ team: null });
    expect(await other.end('SIGTERM')).toEqual({ status: 0, signal: null });
    expect((await joining).error).toMatchObject({ code: 'NODE_CLOSED', retryable: true });
    expect(await agent.end('SIGINT')).toEqual({ status: 0, signal: null });
    expect([agent.stderr, other.stderr]).toEqual(['', '']);
  });

  it('ends with its parent when it is bound to its input, and has answered what came before', async () => {
    const agent = start(temporaryDirectory(), '--stdin-bound');
    const answer = agent.ask('status');
    agent.closeInput();
    expect(await agent.ended).toEqual({ status: 0, signal: null });
    expect((await answer).result).toMatchObject({ team: null });
  });

  it('goes on without its input when it is not bound to it', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'notes'));
    const agent = start(join(directory, 'node'));
    await agent.result('createTeam', { name: 'Storbreen' });
    await agent.result('createDataset', { name: 'notes', kind: 'files' });
    await agent.result('attach', { dataset: 'notes', directory: join(directory, 'notes') });
    await agent.result('addDuty', { duty: { kind: 'scan', dataset: 'notes', everyMs: 100, settleMs: 0 } });
    agent.closeInput();
    writeFileSync(join(directory, 'notes/today.txt'), 'Snow bridge gone.\n');
    await agent.event('path-changed', (event) => event.path === 'today.txt');
    expect(await agent.end('SIGTERM')).toEqual({ status: 0, signal: null });
  });
});

describe('a command line', () => {
  it('with a place that cannot be a directory ends with DIRECTORY_UNWRITABLE', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'file'), '');
    const agent = start(join(directory, 'file', 'node'));
    expect(await agent.ended).toEqual({ status: 1, signal: null });
    expect(JSON.parse(agent.stderr)).toMatchObject({ error: { code: 'DIRECTORY_UNWRITABLE', retryable: false } });
    expect(agent.lines).toEqual([]);
  });

  const isRoot = process.getuid?.() === 0;
  if (isRoot)
    it.skipIf(isRoot)('with a directory of somebody else ends with DIRECTORY_UNWRITABLE', async () => {
      const directory = temporaryDirectory();
      chmodSync(directory, 0o500);
      const agent = start(join(directory, 'node'));
      expect(await agent.ended).toEqual({ status: 1, signal: null });
      expect(JSON.parse(agent.stderr)).toMatchObject({ error: { code: 'DIRECTORY_UNWRITABLE' } });
    });

  it('with the directory of a running agent ends with CATALOG_LOCKED, and the running one goes on', async () => {
    const directory = temporaryDirectory();
    const first = start(directory);
    await first.ready();
    const second = start(directory);
    expect(await second.ended).toEqual({ status: 1, signal: null });
    expect(JSON.parse(second.stderr)).toMatchObject({ error: { code: 'CATALOG_LOCKED', retryable: true } });
    expect(await first.result('createTeam', { name: 'Storbreen' })).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('a port that another program uses', () => {
  it('is said to be busy, and another one works', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    try {
      const agent = start(temporaryDirectory());
      const answer = await agent.ask('listen', { address: `udp://127.0.0.1:${socket.address().port}` });
      expect(answer.error).toMatchObject({ code: 'PORT_BUSY', retryable: true });
      expect(await agent.result('listen', { address: 'udp://127.0.0.1:0' })).toMatch(/^udp:\/\/127\.0\.0\.1:[1-9]/);
    } finally {
      await new Promise<void>((resolve) => socket.close(resolve));
    }
  });
});

describe('two agents', () => {
  it('become a team by an invite code alone, over UDP', async () => {
    const { glacier, valley, glacierId, valleyId, teamId, joined } = await team('udp');
    expect(joined).toBe(teamId);
    await glacier.event('session-up', (event) => event.peer === valleyId);
    const members = [
      { node: glacierId, name: 'glacier', role: 'coordinator' },
      { node: valleyId, name: 'valley', role: 'member' },
    ].sort((a, b) => (a.node < b.node ? -1 : 1));
    expect(await glacier.result('members')).toEqual(members);
    expect(await valley.result('members')).toEqual(members);
  });

  it('find each other again after kill -9, with identity, team, duties and attached directories', async () => {
    const { directory, glacier, valley, glacierId, valleyId, teamId } = await team('tcp');
    mkdirSync(join(directory, 'notes'));
    await glacier.result('createDataset', { name: 'notes', kind: 'files' });
    await glacier.result('attach', { dataset: 'notes', directory: join(directory, 'notes') });
    await glacier.result('addDuty', { duty: { kind: 'scan', dataset: 'notes', everyMs: 3_600_000 } });
    const duties = await glacier.result('duties');
    expect(duties).toMatchObject([{ duty: { kind: 'listen' } }, { duty: { kind: 'scan' } }]);

    expect(await glacier.end('SIGKILL')).toEqual({ status: null, signal: 'SIGKILL' });
    const again = start(join(directory, 'glacier'), '--name', 'glacier');
    expect(await again.ready()).toEqual({ id: glacierId, name: 'glacier' });
    // The other agent dials the port that was kept.
    await again.event('session-up', (event) => event.peer === valleyId);
    expect(await again.result('status')).toMatchObject({ team: teamId });
    expect(await again.result('duties')).toEqual(duties);
    writeFileSync(join(directory, 'notes/today.txt'), 'Snow bridge gone.\n');
    expect(await again.result('scan', { dataset: 'notes', settleMs: 0 })).toEqual({ published: ['today.txt'], problems: [] });
    await valley.event('content-complete');
    expect(await valley.result('files', { dataset: 'notes' })).toMatchObject([{ path: 'today.txt', complete: true }]);
  });
});
