import { expect, test } from 'vitest';
import { physicalLink } from '../../../src/instruments/physical-link.ts';

test.each([
  [
    ['serial:/dev/ttyUSB0?baud=9600', 'serial:/dev/ttyUSB0?baud=115200&format=7E1', 'serial:/dev/ttyUSB0'],
    'serial:/dev/ttyUSB0',
    undefined,
  ],
  [['tcp://Logger:80', 'http://logger', 'http://LOGGER:80/', 'HTTP://logger:80'], 'logger:80', 'logger'],
  [['https://10.0.0.5', 'https://10.0.0.5:443#sha256=00', 'tcp://10.0.0.5:443'], '10.0.0.5:443', '10.0.0.5'],
  [['tcp://[FD00::7]:6785'], '[fd00::7]:6785', 'fd00::7'],
])('%j lead over %s', (addresses, name, host) => {
  for (const address of addresses) expect(physicalLink(address)).toEqual(host === undefined ? { name } : { name, host });
});

test('what is no address is its own link', () => {
  expect(physicalLink('')).toEqual({ name: '' });
  expect(physicalLink('line:radio')).toEqual({ name: 'line:radio' });
});
