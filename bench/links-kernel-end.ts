import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { SocketEnd } from './links-ends.ts';

/**
 * One end of a measurement in a network namespace: `receive tcp|session HOST` says where it can be reached, and for every line on its standard input how many bytes of data have come;
 * `send tcp|session ADDRESS KEY` says when it is connected and sends without end. Ends with its standard input.
 */

const block = new Uint8Array(64 * 1024).fill(0x5a);

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

let receivedBytes = 0;

async function receiveSession(host: string): Promise<void> {
  const end = new SocketEnd();
  end.react = (output) => {
    if (output.type === 'data') receivedBytes += output.bytes.length;
  };
  const { address } = await end.links.listen(`udp://${host}:0`);
  say({ address, key: Buffer.from(end.keys.publicKey).toString('hex') });
}

async function sendSession(address: string, key: string): Promise<void> {
  const end = new SocketEnd();
  end.react = (output) => {
    if (output.type === 'established') say({});
  };
  end.saturate();
  await end.dial({ keys: { publicKey: new Uint8Array(Buffer.from(key, 'hex')) } }, address);
}

async function receiveTcp(host: string): Promise<void> {
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      receivedBytes += bytes.length;
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, host, () => {
    const bound = server.address();
    say({ address: typeof bound === 'object' && bound !== null ? `${host} ${bound.port}` : host, key: '' });
  });
}

async function sendTcp(address: string): Promise<void> {
  const [host, port] = address.split(' ');
  const socket = connect({ host: host as string, port: Number(port), noDelay: true });
  const fill = () => {
    while (socket.write(block));
  };
  socket.on('drain', fill);
  socket.on('error', () => undefined);
  socket.on('connect', () => {
    say({});
    fill();
  });
}

const roles = {
  receive: { session: receiveSession, tcp: receiveTcp },
  send: { session: sendSession, tcp: sendTcp },
} as const;

const [role, kind, address = '', key = ''] = process.argv.slice(2) as [keyof typeof roles, 'session' | 'tcp', string?, string?];
await roles[role][kind](address, key);
for await (const _ of createInterface({ input: process.stdin })) say({ receivedBytes });
process.exit();
