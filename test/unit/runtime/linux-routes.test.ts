import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linuxRoutes } from '../../../src/runtime/linux-routes.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'routes-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const heading = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
/** `192.168.7.0/24` on the local network; the rest over the modem, or, with a worse metric, over the cable. */
const ipv4 = [
  'wwan0\t00000000\t0100000A\t0003\t0\t0\t50\t00000000\t0\t0\t0',
  'eth0\t00000000\t0107A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
  'eth0\t0007A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
  'wlan0\t0007A8C0\t00000000\t0000\t0\t0\t1\t00FFFFFF\t0\t0\t0',
].join('\n');
const ipv6 = [
  'fd00000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0',
  'fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0',
  '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 ppp0',
  '00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo',
].join('\n');

describe('the way to a host', () => {
  it('costs where the best of the longest routes leads over a modem', () => {
    writeFileSync(join(directory, 'route'), heading + ipv4);
    writeFileSync(join(directory, 'ipv6_route'), ipv6);
    const { isMetered } = linuxRoutes(new Set(), directory);
    expect(['192.168.7.20', '8.8.8.8', 'fd00::7', '2001:db8::1', 'webservice.hobolink.com', 'localhost'].map(isMetered)).toEqual([
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  it('costs where it leads over an interface of which somebody said so', () => {
    writeFileSync(join(directory, 'route'), heading + ipv4);
    const { isMetered } = linuxRoutes(new Set(['eth0']), directory);
    expect(['192.168.7.20', '8.8.8.8', 'localhost'].map(isMetered)).toEqual([true, true, false]);
  });

  it('is not known where there are no tables, no route, or nothing that can be read', () => {
    expect(linuxRoutes(new Set(), directory).isMetered('8.8.8.8')).toBeUndefined();
    writeFileSync(join(directory, 'route'), `${heading}eth0\tzz\nppp0\t00000000\t0\t000X\t0\t0\t0\t00000000\n`);
    writeFileSync(join(directory, 'ipv6_route'), '0 0 0\n00000000000000000000000000000000 ff 0 0 0 0 0 0 1 ppp0\n');
    expect(linuxRoutes(new Set(), directory).isMetered('8.8.8.8')).toBeUndefined();
    expect(linuxRoutes(new Set(), directory).isMetered('2001:db8::1')).toBeUndefined();
    expect(linuxRoutes(new Set(), directory).isMetered('fe80::1%eth0')).toBeUndefined();
  });

  it('is asked of this computer without harm', () => {
    expect([true, false, undefined]).toContain(linuxRoutes().isMetered('8.8.8.8'));
  });
});
