import { expect, test } from 'vitest';
import { areSameInterfaces, interfaceOf, readInterfaces, type SystemInterface } from '../../../src/runtime/interfaces.ts';

const lan: SystemInterface = {
  name: 'lan',
  addresses: [{ host: '10.1.2.3', family: 4 }],
  networks: [{ host: '10.1.2.3', address: 0x0a010203, mask: 0xffffff00, broadcast: '10.1.2.255' }],
  hasLinkLocal: false,
};
const radio: SystemInterface = { name: 'radio', addresses: [{ host: 'fe80::1%radio', family: 6 }], networks: [], hasLinkLocal: true };

test('a sender on the network of an interface is there, and one behind a router is nowhere', () => {
  const both = [lan, radio];
  expect(interfaceOf(both, '10.1.2.200', 4)).toBe(lan);
  expect(interfaceOf(both, '10.1.3.1', 4)).toBeUndefined();
  expect(interfaceOf(both, 'fe80::9%radio', 6)).toBe(radio);
  expect(interfaceOf(both, 'fe80::9%other', 6)).toBeUndefined();
  expect(interfaceOf(both, '2001:db8::1', 6)).toBeUndefined();
});

test('the loopback and what is excluded is left out, and broadcasts stay on their networks', () => {
  const all = readInterfaces();
  expect(areSameInterfaces(all, readInterfaces())).toBe(true);
  expect(areSameInterfaces(all, [...all, lan])).toBe(false);
  for (const { addresses } of all) for (const { host } of addresses) expect(host === '::1' || host.startsWith('127.')).toBe(false);
  for (const each of all)
    for (const { broadcast } of each.networks) if (broadcast !== undefined) expect(interfaceOf(all, broadcast, 4)).toBeDefined();
  expect(readInterfaces(new Set(all.map(({ name }) => name)))).toEqual([]);
});
