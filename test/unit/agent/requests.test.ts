import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { perform, plain } from '../../../src/agent/requests.ts';
import { nextEvent, temporaryDirectory, temporaryNode } from './temporary-nodes.ts';

const refusedWith = (code: string, retryable = false) => expect.objectContaining({ name: 'GodwitError', code, retryable });

describe('a request', () => {
  it.each(['fly', '', 'constructor', '__proto__', 'toString'])('that does not exist is refused: "%s"', async (method) => {
    const node = await temporaryNode('hut');
    await expect(perform(node, method, {})).rejects.toEqual(refusedWith('REQUEST_UNKNOWN'));
  });

  it.each([
    ['status', 5],
    ['createTeam', undefined],
    ['createTeam', { name: '' }],
    ['createTeam', { name: 'x'.repeat(257) }],
    ['createInvite', { role: 'owner' }],
    ['createInvite', { validMs: 0 }],
    ['createInvite', { validMs: Number.POSITIVE_INFINITY }],
    ['createInvite', { addresses: 'udp://127.0.0.1:1' }],
    ['join', { code: 7 }],
    ['listen', {}],
    ['addContact', { member: 'valley', addresses: [] }],
    ['addContact', { member: 'ab'.repeat(31), addresses: [] }],
    ['createDataset', { name: '', kind: 'files' }],
    ['createDataset', { name: 'notes', kind: 'folder' }],
    ['createDataset', { name: 'notes', kind: 'files', priority: 1 }],
    ['createDataset', { name: 'notes', kind: 'files', conflictPolicy: 'mine' }],
    ['scan', { dataset: 'notes', settleMs: '0' }],
    ['ingest', { dataset: 'met', directory: '/', profile: { utcOffsetMinutes: 'CET' } }],
    ['ingest', { dataset: 'met', directory: '/', profile: { position: { latitude: 91, longitude: 0, method: 'map' } } }],
    ['ingest', { dataset: 'met', directory: '/', profile: { zone: 1 } }],
    ['addDuty', { duty: 'scan' }],
    ['removeDuty', { id: '1' }],
    ['export', { dataset: 'met', format: 'csv', path: '/x' }],
    ['send', { dataset: 'notes', to: ['valley'] }],
    ['send', { dataset: 'notes', roles: ['owner'] }],
    ['order', { dataset: 'notes', order: { author: 'ab'.repeat(32), sequence: 0 } }],
    ['queue', { member: 'ab'.repeat(32), limit: 0 }],
    ['setPriorityRules', { dataset: 'notes', rules: [{ priority: 'soon' }] }],
    ['setContactWindows', { member: 'ab'.repeat(32), windows: [{ fromMs: 1 }] }],
    ['offerCandidate', { address: 'udp://10.0.0.1:7077' }],
    ['offerCandidate', { address: 'udp://10.0.0.1:7077', beacon: '0x12' }],
    ['offerCandidate', { address: 'udp://10.0.0.1:7077', beacon: '12', member: 'ab'.repeat(32) }],
  ])('with parameters that do not fit is refused before anything happens: %s %j', async (method, parameters) => {
    const node = await temporaryNode('hut');
    await perform(node, 'createTeam', { name: 'Storbreen' });
    const before = node.datasets();
    await expect(perform(node, method, parameters)).rejects.toEqual(refusedWith('REQUEST_MALFORMED'));
    expect(node.datasets()).toEqual(before);
  });

  it('that is refused names the parameter that does not fit', async () => {
    const node = await temporaryNode('hut');
    await expect(perform(node, 'createDataset', { name: 'notes', kind: 'folder' })).rejects.toThrow('"createDataset" do not fit: kind: ');
    await expect(perform(node, 'status', 5)).rejects.toThrow('"status" do not fit: params: ');
  });

  it('may leave out its parameters where all of them are optional', async () => {
    const node = await temporaryNode('hut');
    await perform(node, 'createTeam', { name: 'Storbreen' });
    expect(await perform(node, 'createInvite', undefined)).toMatch(/^godwit1:/);
    expect(await perform(node, 'outstanding', undefined)).toEqual({ contents: 0, bytes: 0 });
    expect(await perform(node, 'idle', undefined)).toBeNull();
  });

  it('takes parameters that it does not know for none', async () => {
    const node = await temporaryNode('hut');
    expect(await perform(node, 'status', { verbose: true })).toMatchObject({ name: 'hut', team: null });
  });
});

describe('setting up', () => {
  it('may be done twice', async () => {
    const node = await temporaryNode('hut');
    const once = [
      await perform(node, 'createTeam', { name: 'Storbreen' }),
      await perform(node, 'createDataset', { name: 'notes', kind: 'files' }),
    ];
    const twice = [
      await perform(node, 'createTeam', { name: 'Other' }),
      await perform(node, 'createDataset', { name: 'notes', kind: 'files' }),
    ];
    expect(twice).toEqual(once);
  });

  it('gives the invite the role, the validity and the addresses that were asked for', async () => {
    const glacier = await temporaryNode('glacier');
    const valley = await temporaryNode('valley');
    await perform(glacier, 'createTeam', { name: 'Storbreen' });
    const address = await perform(glacier, 'listen', { address: 'udp://127.0.0.1:0' });
    const code = await perform(glacier, 'createInvite', { role: 'reader', validMs: 60_000, addresses: [address] });
    await perform(valley, 'join', { code });
    expect(await perform(valley, 'members', {})).toContainEqual({ node: valley.id, name: 'valley', role: 'reader' });
    await expect(perform(valley, 'createDataset', { name: 'notes', kind: 'files' })).rejects.toEqual(refusedWith('NOT_A_WRITER', true));
    await perform(valley, 'addContact', { member: glacier.id, addresses: [address] });
    expect(await perform(valley, 'hint', undefined)).toBeNull();
  });
});

describe('a dataset', () => {
  it('is found by its name and by its identifier', async () => {
    const node = await temporaryNode('hut');
    await perform(node, 'createTeam', { name: 'Storbreen' });
    const id = await perform(node, 'createDataset', { name: 'notes', kind: 'files', priority: 'critical', conflictPolicy: 'latest' });
    expect(await perform(node, 'datasets', undefined)).toMatchObject([{ id, priority: 'critical', conflictPolicy: 'latest' }]);
    expect(await perform(node, 'files', { dataset: 'notes' })).toEqual([]);
    expect(await perform(node, 'files', { dataset: id })).toEqual([]);
    await expect(perform(node, 'files', { dataset: 'note' })).rejects.toEqual(refusedWith('DATASET_UNKNOWN', true));
  });

  it('of duties is named either way too, and kept by its identifier', async () => {
    const node = await temporaryNode('hut');
    await perform(node, 'createTeam', { name: 'Storbreen' });
    const dataset = await perform(node, 'createDataset', { name: 'met', kind: 'series' });
    const directory = temporaryDirectory();
    const duty = { kind: 'ingest', dataset: 'met', directory, everyMs: 3_600_000 };
    const id = await perform(node, 'addDuty', { duty });
    expect(await perform(node, 'addDuty', { duty: { ...duty, dataset } })).toBe(id);
    expect(await perform(node, 'duties', undefined)).toEqual([{ id, duty: { ...duty, dataset } }]);
    await expect(perform(node, 'addDuty', { duty: { ...duty, everyMs: 1 } })).rejects.toEqual(refusedWith('DUTY_MALFORMED'));
    await expect(perform(node, 'addDuty', { duty: { kind: 'sleep' } })).rejects.toEqual(refusedWith('DUTY_MALFORMED'));
    expect(await perform(node, 'removeDuty', { id })).toBeNull();
    expect(await perform(node, 'duties', undefined)).toEqual([]);
  });
});

describe('files and observations', () => {
  it('of one file edited in two places make a conflict that says what it is about', async () => {
    const glacier = await temporaryNode('glacier');
    const valley = await temporaryNode('valley');
    await perform(glacier, 'createTeam', { name: 'Storbreen' });
    await perform(glacier, 'listen', { address: 'tcp://127.0.0.1:0' });
    await perform(valley, 'join', { code: await perform(glacier, 'createInvite', {}) });
    const arrived = nextEvent(valley, ({ type }) => type === 'content-complete');
    const dataset = await perform(glacier, 'createDataset', { name: 'notes', kind: 'files', conflictPolicy: 'ask' });
    const here = temporaryDirectory();
    const there = temporaryDirectory();
    writeFileSync(join(here, 'log.txt'), 'seen from the glacier\n');
    writeFileSync(join(there, 'log.txt'), 'seen from the valley\n');
    await perform(glacier, 'attach', { dataset: 'notes', directory: here });
    await perform(glacier, 'scan', { dataset: 'notes', settleMs: 0, rehash: true, allowEmptied: false });
    await arrived;
    expect(await perform(valley, 'conflicts', { dataset })).toEqual([]);
    await perform(valley, 'attach', { dataset, directory: there });
    await perform(valley, 'scan', { dataset, settleMs: 0 });
    await perform(valley, 'idle', undefined);
    const open = await perform(valley, 'conflicts', { dataset, open: true });
    expect(open).toEqual([
      {
        dataset,
        path: 'log.txt',
        heads: [`${glacier.id}/1`, `${valley.id}/1`].sort(),
        detectedMs: expect.any(Number),
        detail: JSON.stringify({ reason: 'the dataset asks a person' }),
      },
    ]);
    expect(await perform(valley, 'conflicts', { dataset })).toEqual(open);
    expect(await perform(valley, 'files', { dataset })).toMatchObject([{ path: 'log.txt', inConflict: true }]);
    expect(await perform(valley, 'traffic', undefined)).toMatchObject([{ peer: glacier.id }]);
  });

  it('are read from the files that are named, as far as they go', async () => {
    const node = await temporaryNode('hut');
    await perform(node, 'createTeam', { name: 'Storbreen' });
    await perform(node, 'createDataset', { name: 'met', kind: 'series' });
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'old'));
    for (const name of ['met.dat', 'old/met.dat'])
      writeFileSync(join(directory, name), `${loggerHeader}"2026-07-01 00:00:00",0,3.41\r\n"2026-07-01 00:10:00",1,3.`);
    const request = { dataset: 'met', directory, profile: { utcOffsetMinutes: 60 }, paths: ['met.dat'] };
    expect(await perform(node, 'ingest', request)).toMatchObject([{ source: 'met.dat', stored: 1, quarantined: 0, pendingBytes: 26 }]);
    expect(await perform(node, 'ingest', { ...request, complete: true })).toMatchObject([
      { quarantined: 1, pendingBytes: 0, defects: { TOA5_TAIL_CUT: 1 } },
    ]);
    expect(await perform(node, 'counts', { dataset: 'met' })).toEqual({ 'met.dat': { read: 2, stored: 1, duplicate: 0, quarantined: 1 } });
    expect(await perform(node, 'quarantined', { dataset: 'met' })).toMatchObject([{ code: 'TOA5_TAIL_CUT', bytes: 26, lengthBytes: 26 }]);
    expect(await perform(node, 'tables', { dataset: 'met' })).toMatchObject([
      { rows: 1, revision: { id: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ]);
    const path = join(directory, 'met.gpkg');
    expect(await perform(node, 'export', { dataset: 'met', format: 'geopackage', path })).toMatchObject({ rows: 1 });
  });
});

describe('what JSON does not have', () => {
  it('is written as text: bytes in hexadecimal, great integers in decimal, at any depth', () => {
    const value = {
      hash: Uint8Array.of(0, 255),
      files: [{ mtimeNs: 1_782_863_999_202_454_493n, size: 1, gone: null, note: 'x' }],
      more: undefined,
    };
    expect(JSON.stringify(plain(value))).toBe(
      '{"hash":"00ff","files":[{"mtimeNs":"1782863999202454493","size":1,"gone":null,"note":"x"}]}',
    );
  });
});

const loggerHeader = [
  '"TOA5","Storbreen","CR1000X","12345","CR1000X.Std.05.00","CPU:met.CR1X","4711","Met"',
  '"TIMESTAMP","RECORD","AirT_C"',
  '"TS","RN","Deg C"',
  '"","","Avg"',
  '',
].join('\r\n');
