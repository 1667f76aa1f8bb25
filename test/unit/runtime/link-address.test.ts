import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { linkAddressText, listenError, parseLinkAddress, resolveHost } from '../../../src/runtime/link-address.ts';

function parts(text: string) {
  const address = parseLinkAddress(text);
  return address.ok ? address.value : address.fault.code;
}

describe('reading a link address', () => {
  it.each([
    ['udp://192.0.2.7:7001', { scheme: 'udp', host: '192.0.2.7', port: 7001, family: 4 }],
    ['tcp://0.0.0.0:0', { scheme: 'tcp', host: '0.0.0.0', port: 0, family: 4 }],
    ['udp://[2001:DB8::0:1]:65535', { scheme: 'udp', host: '2001:db8::1', port: 65535, family: 6 }],
    ['tcp://[::]:7', { scheme: 'tcp', host: '::', port: 7, family: 6 }],
    ['udp://[FE80::0001%eth0]:7001', { scheme: 'udp', host: 'fe80::1%eth0', port: 7001, family: 6 }],
    ['udp://[::ffff:192.0.2.7]:1', { scheme: 'udp', host: '::ffff:192.0.2.7', port: 1, family: 6 }],
    ['tcp://Gateway.local:7001', { scheme: 'tcp', host: 'gateway.local', port: 7001, family: undefined }],
    ['udp://logger_7:1', { scheme: 'udp', host: 'logger_7', port: 1, family: undefined }],
    ['udp://3com.example.:1', { scheme: 'udp', host: '3com.example.', port: 1, family: undefined }],
  ])('takes %s', (text, expected) => {
    expect(parts(text)).toEqual(expected);
  });

  it.each([
    '',
    'udp://',
    'udp://:1',
    'udp://host',
    'udp://host:',
    'udp://host:65536',
    'udp://host:-1',
    'udp://host:1.5',
    'udp://host:000001',
    'udp://host:1/',
    ' udp://host:1',
    'udp://host:1\n',
    'UDP://host:1',
    'http://host:1',
    'host:1',
    'udp://ho st:1',
    'udp://user@host:1',
    'udp://a..b:1',
    'udp://256.0.0.1:1',
    'udp://1.2.3:1',
    'udp://2130706433:1',
    'udp://::1:1',
    'udp://[::1:1',
    'udp://[]:1',
    'udp://[192.0.2.7]:1',
    'udp://[fe80::1%]:1',
    'udp://[fe80::1%eth0%eth1]:1',
    'udp://[fe80::1%a b]:1',
    'udp://[host]:1',
    `udp://${'a'.repeat(64)}:1`,
    `udp://${'a.'.repeat(127)}a:1`,
    `udp://${'a'.repeat(100_000)}:1`,
  ])('refuses %j', (text) => {
    expect(parts(text)).toBe('ADDRESS_MALFORMED');
  });

  it('says what was wrong and what to write, in a message of bounded length', () => {
    const address = parseLinkAddress(`udp://${'x'.repeat(10_000)}`);
    expect(!address.ok && address.fault.message).toMatch(/^"udp:\/\/x+…" is no link address: write udp:\/\/host:port/);
    expect(!address.ok && address.fault.message.length).toBeLessThan(200);
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseLinkAddress(text)));
    fc.assert(fc.property(fc.string(), fc.string(), (host, port) => void parseLinkAddress(`udp://${host}:${port}`)));
  });

  it('reads back what it writes, whatever the spelling of the host', () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
      fc.domain(),
    );
    fc.assert(
      fc.property(fc.constantFrom('udp', 'tcp'), host, fc.nat(65_535), (scheme, name, port) => {
        const address = parseLinkAddress(`${scheme}://${name}:${port}`);
        if (!address.ok) throw new Error(address.fault.message);
        const text = linkAddressText(address.value.scheme, address.value.host, address.value.port);
        expect(parseLinkAddress(text)).toEqual(address);
      }),
    );
  });
});

describe('looking up a host', () => {
  it('gives IP addresses back without asking anyone', async () => {
    expect(await resolveHost({ scheme: 'udp', host: 'fe80::1%eth0', port: 1, family: 6 })).toEqual([{ host: 'fe80::1%eth0', family: 6 }]);
  });

  it('finds the addresses of a name', async () => {
    const found = await resolveHost({ scheme: 'udp', host: 'localhost', port: 1, family: undefined });
    expect(found.length).toBeGreaterThan(0);
    for (const { host, family } of found) expect([host, family]).toEqual(family === 4 ? ['127.0.0.1', 4] : ['::1', 6]);
  });

  it('rejects when nobody knows the name, and says that trying again may help', async () => {
    // RFC 6761 section 6.4: names under "invalid" exist nowhere.
    const looking = resolveHost({ scheme: 'udp', host: 'station.invalid', port: 1, family: undefined });
    await expect(looking).rejects.toMatchObject({
      code: 'ADDRESS_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('station.invalid'),
    });
  });
});

describe('the reason why listening failed', () => {
  const failed = (code: string) => listenError(Object.assign(new Error('bind'), { code }), 'udp://192.0.2.7:7001');

  it.each([
    ['EADDRINUSE', 'PORT_BUSY', true, 'choose another port'],
    ['EADDRNOTAVAIL', 'ADDRESS_UNAVAILABLE', true, 'does not have the address'],
    ['EACCES', 'ADDRESS_UNAVAILABLE', false, 'above 1023'],
    ['EINVAL', 'ADDRESS_UNAVAILABLE', false, 'link-local'],
  ])('%s becomes %s', (systemCode, code, retryable, advice) => {
    const message = expect.stringMatching(`^cannot listen at udp://192.0.2.7:7001 \\(${systemCode}\\): .*${advice}`);
    expect(failed(systemCode)).toMatchObject({ name: 'GodwitError', code, retryable, message });
  });

  it('keeps a reason that is clear already, and leaves alone what is no error', () => {
    const error = new GodwitError('ADDRESS_UNAVAILABLE', 'no such name');
    expect(listenError(error, 'udp://host:1')).toBe(error);
    expect(listenError('stop', 'udp://host:1')).toBe('stop');
  });
});
