import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../../src/agent/agent.ts';
import { temporaryNode } from './temporary-nodes.ts';

/** An agent in this process, with its streams. */
async function startAgent(options: { readonly stdinBound?: boolean; readonly signal?: AbortSignal } = {}) {
  const node = await temporaryNode('hut', { closesItself: true });
  const input = new PassThrough();
  const output = new PassThrough();
  const lines: unknown[] = [];
  const reader = createInterface({ input: output });
  let look = (): void => undefined;
  reader.on('line', (line) => {
    lines.push(JSON.parse(line));
    look();
  });
  const stop = new AbortController();
  const ended = runAgent(node, input, output, { stdinBound: options.stdinBound ?? false, signal: options.signal ?? stop.signal });
  return {
    node,
    lines,
    ended,
    stop: () => stop.abort(),
    closeInput: () => input.end(),
    write: (...texts: readonly string[]) => input.write(texts.map((text) => `${text}\n`).join('')),
    /** Resolves when this many lines are there. */
    upTo: (count: number) =>
      new Promise<unknown[]>((resolve) => {
        look = () => {
          if (lines.length >= count) resolve(lines);
        };
        look();
      }),
  };
}

const refused = (code: string, id: unknown = null) => ({
  id,
  error: { code, message: expect.any(String), retryable: expect.any(Boolean) },
});

describe('the agent', () => {
  it('says first who it is', async () => {
    const agent = await startAgent();
    expect(await agent.upTo(1)).toEqual([{ ready: { id: agent.node.id, name: 'hut' } }]);
    agent.stop();
    await agent.ended;
  });

  it('gives every answer the id of its request, whatever that is', async () => {
    const agent = await startAgent();
    const ids = [0, -1.5, 'seven', ['a', 1], { nested: { id: true } }, false];
    agent.write(...ids.map((id) => JSON.stringify({ id, method: 'outstanding' })), '{"method":"outstanding"}');
    const result = { contents: 0, bytes: 0 };
    expect((await agent.upTo(8)).slice(1)).toEqual([...ids, null].map((id) => ({ id, result })));
    agent.stop();
    await agent.ended;
  });

  it.each(['{"id": 1,', '', 'null', '7', '"status"', '[]', '{"id": 1}', '{"id": 1, "method": 5}', '\u0000'])(
    'refuses a line that is no request and goes on: %j',
    async (line) => {
      const agent = await startAgent();
      agent.write(line, '{"id": "next", "method": "outstanding"}');
      expect((await agent.upTo(3)).slice(1)).toEqual([refused('REQUEST_MALFORMED'), { id: 'next', result: { contents: 0, bytes: 0 } }]);
      agent.stop();
      await agent.ended;
    },
  );

  it('answers a request that fails with its code, and whether to try again', async () => {
    const agent = await startAgent();
    agent.write(
      '{"id": 1, "method": "createInvite"}',
      '{"id": 2, "method": "files", "params": {"dataset": "notes"}}',
      '{"id": 3, "method": "fly"}',
    );
    expect((await agent.upTo(4)).slice(1)).toEqual([
      { id: 1, error: { code: 'NO_TEAM', message: expect.any(String), retryable: false } },
      { id: 2, error: { code: 'DATASET_UNKNOWN', message: expect.any(String), retryable: true } },
      refused('REQUEST_UNKNOWN', 3),
    ]);
    agent.stop();
    await agent.ended;
  });

  it('reports what happens as it happens, before the answer to the request that made it happen', async () => {
    const agent = await startAgent();
    agent.write('{"id": 1, "method": "createTeam", "params": {"name": "Storbreen"}}');
    await agent.upTo(2);
    agent.write('{"id": 2, "method": "createDataset", "params": {"name": "notes", "kind": "files"}}');
    expect((await agent.upTo(5)).slice(2)).toEqual([
      { event: { type: 'team-changed' } },
      { event: { type: 'entries', dataset: agent.node.team, count: 1, from: 'self' } },
      { id: 2, result: agent.node.dataset('notes').id },
    ]);
    agent.stop();
    await agent.ended;
  });

  it('does one request while another waits, and gives that one up when it ends', async () => {
    const inviting = await temporaryNode('glacier');
    inviting.createTeam('Storbreen');
    const code = inviting.createInvite({ addresses: ['udp://127.0.0.1:9'] });
    const agent = await startAgent();
    agent.write(JSON.stringify({ id: 'waits', method: 'join', params: { code } }), '{"id": 2, "method": "outstanding"}');
    expect((await agent.upTo(2)).at(-1)).toEqual({ id: 2, result: { contents: 0, bytes: 0 } });
    agent.stop();
    await agent.ended;
    expect((await agent.upTo(3)).at(-1)).toEqual({
      id: 'waits',
      error: { code: 'NODE_CLOSED', message: expect.any(String), retryable: true },
    });
  });

  it('ends with its input when it is bound to it, with the answers to what came before', async () => {
    const agent = await startAgent({ stdinBound: true });
    agent.write('{"id": 1, "method": "outstanding"}');
    agent.closeInput();
    await agent.ended;
    expect((await agent.upTo(2)).at(-1)).toMatchObject({ id: 1, result: {} });
  });

  it('ends at once when it was told to before it began', async () => {
    const agent = await startAgent({ signal: AbortSignal.abort() });
    await agent.ended;
    expect(await agent.upTo(1)).toEqual([{ ready: { id: agent.node.id, name: 'hut' } }]);
  });

  it('takes no line any more once it ends', async () => {
    const agent = await startAgent();
    await agent.upTo(1);
    agent.stop();
    await undefined;
    agent.write('{"id": 1, "method": "outstanding"}');
    await agent.ended;
    expect(agent.lines).toHaveLength(1);
  });
});
