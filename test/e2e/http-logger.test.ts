import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { campbellHttpDriver } from '../../src/instruments/campbell-http/driver.ts';
import { openTransport } from '../../src/runtime/instrument-links.ts';
import { instrumentTimer } from '../../src/runtime/instrument-timer.ts';
import { HttpLogger, type HttpLoggerOptions } from '../../src/simulation/http-logger.ts';

/** The driver over real sockets. The certificate is made with `openssl req -x509`. */

const open: { server: Server; sockets: Set<Socket> }[] = [];

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

afterEach(() => {
  for (const { server, sockets } of open.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

function serve(logger: HttpLogger): (socket: Socket) => void {
  return (socket) => {
    const connection = logger.connection();
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const { bytes: answer, closes } = connection.push(bytes);
      if (answer.length > 0) socket.write(answer);
      if (closes) socket.end();
    });
  };
}

function logger(options: HttpLoggerOptions = {}): HttpLogger {
  const made = new HttpLogger(options);
  made.define('Hour', [{ name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' }], 100);
  for (let index = 0; index < 5; index++)
    made.append('Hour', { localUs: 1_767_225_600_000_000 + index * 3_600_000_000, cells: [`${index}.5`] });
  return made;
}

async function numbersAt(address: string): Promise<number[]> {
  const transport = await openTransport(address);
  const session = await campbellHttpDriver.open({}, transport, instrumentTimer, new AbortController().signal);
  try {
    const batches = await Array.fromAsync(session.collect('Hour'));
    return batches.flatMap(({ records }) => records.map(({ recordNumber }) => recordNumber ?? -1));
  } finally {
    await session.close();
  }
}

describe('a logger behind a real socket', () => {
  it.each<HttpLoggerOptions>([{}, { keepsOpen: false }, { keepsOpen: false, chunks: true, answerRecordsMax: 2 }])(
    'is read when it is %j',
    async (options) => {
      const port = await listening(createServer(serve(logger(options))));
      expect(await numbersAt(`http://127.0.0.1:${port}`)).toEqual([0, 1, 2, 3, 4]);
    },
  );

  it('that is not there is unreachable', async () => {
    const port = await listening(createServer());
    open.splice(0)[0]?.server.close();
    await expect(numbersAt(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'INSTRUMENT_UNREACHABLE', retryable: true });
  });

  it('that goes away between two answers is unreachable then', async () => {
    const server = createServer(serve(logger({ keepsOpen: false })));
    const port = await listening(server);
    const session = await campbellHttpDriver.open(
      {},
      await openTransport(`http://127.0.0.1:${port}`),
      instrumentTimer,
      new AbortController().signal,
    );
    await session.tables().catch(() => undefined);
    server.close();
    await expect(session.clock()).rejects.toMatchObject({ code: 'INSTRUMENT_UNREACHABLE' });
    await session.close();
  });

  it.each(['http://', 'http://a:0', 'http://a:70000', 'ftp://a', 'http://a/path', 'http://user@a', `http://a#sha256=${'0'.repeat(64)}`])(
    'has no address like %s',
    async (address) => {
      await expect(openTransport(address)).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
    },
  );
});

const folder = mkdtempSync(join(tmpdir(), 'godwit-certificate-'));
afterAll(() => rmSync(folder, { recursive: true }));

function makeCertificate(): { key: string; cert: string } | undefined {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')] as const;
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        '-days',
        '2',
        '-subj',
        '/CN=logger',
      ],
      { stdio: 'ignore' },
    );
  } catch {
    console.warn('skipped: TLS to a logger with its own certificate needs the program openssl');
    return undefined;
  }
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

const certificate = makeCertificate();

describe.skipIf(certificate === undefined && process.env.CI !== 'true')('a logger with a certificate of its own', () => {
  const { key = '', cert = '' } = certificate ?? {};
  const fingerprint = certificate && new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();

  it('is read by those who know its fingerprint', async () => {
    const port = await listening(createTlsServer({ key, cert }, serve(logger({ keepsOpen: false }))));
    expect(await numbersAt(`https://127.0.0.1:${port}#sha256=${fingerprint}`)).toEqual([0, 1, 2, 3, 4]);
  });

  it('is told nothing by others', async () => {
    const made = logger();
    const port = await listening(createTlsServer({ key, cert }, serve(made)));
    await expect(numbersAt(`https://localhost:${port}`)).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED', retryable: false });
    await expect(numbersAt(`https://127.0.0.1:${port}#sha256=${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' });
    expect(made.queries).toEqual([]);
  });
});
