import { describe, expect, it } from 'vitest';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import { identifier, identifierToBytes, type NodeId } from '../../../src/core/identifiers.ts';
import { decodeOrder, encodeOrder, isOrder, type Order } from '../../../src/forwarding/orders.ts';

const [ada, ben] = [1, 2].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId];
const [adaBytes, benBytes] = [ada, ben].map(identifierToBytes) as [Uint8Array, Uint8Array];
const decodedOf = (payload: CborValue) => {
  const decoded = decodeCbor(encodeCbor(payload));
  if (!decoded.ok) throw new Error(decoded.fault.message);
  return decodeOrder(decoded.value as CborValue);
};

describe('orders', () => {
  it.each<[string, Order]>([
    [
      'everything, with all terms',
      {
        type: 'send',
        items: [
          { author: ada, first: 1, last: 9 },
          { author: ben, first: 4, last: 4, path: 'met/a.csv' },
        ],
        to: { nodes: [ada, ben], roles: ['reader'], subscribers: true },
        terms: { priority: 'critical', deadlineMs: 5, expiresMs: 6, custodySuffices: true },
      },
    ],
    [
      'as little as possible',
      {
        type: 'send',
        items: [{ author: ada, first: 1, last: 1 }],
        to: { nodes: [], roles: [], subscribers: false },
        terms: { custodySuffices: false },
      },
    ],
    ['another class', { type: 'change', author: ada, sequence: 7, priority: 'bulk' }],
    ['no more', { type: 'cancel', author: ada, sequence: 7 }],
    ['rules', { type: 'rules', rules: [{ priority: 'bulk', glob: 'film/**' }] }],
  ])('travel unchanged: %s', (_, order) => {
    expect(isOrder(order)).toBe(true);
    expect(decodedOf(encodeOrder(order))).toEqual({ ok: true, value: order });
  });

  const to: CborValue = [[benBytes], [], false];
  it.each<[string, CborValue]>([
    ['nothing', []],
    ['another word', ['carry', adaBytes, 1]],
    ['no items', ['send', [], to, null, null, null, false]],
    ['a range that ends before it begins', ['send', [[adaBytes, 2, 1, null]], to, null, null, null, false]],
    ['a range from before the log', ['send', [[adaBytes, 0, 1, null]], to, null, null, null, false]],
    ['a node that is none', ['send', [[adaBytes.slice(1), 1, 1, null]], to, null, null, null, false]],
    ['an empty path', ['send', [[adaBytes, 1, 1, '']], to, null, null, null, false]],
    ['an unknown class', ['send', [[adaBytes, 1, 1, null]], to, 'asap', null, null, false]],
    ['a broken instant', ['send', [[adaBytes, 1, 1, null]], to, null, 0.5, null, false]],
    ['something behind it', ['send', [[adaBytes, 1, 1, null]], to, null, null, null, false, 1]],
    ['too many items', ['send', Array.from({ length: 4097 }, () => [adaBytes, 1, 1, null]), to, null, null, null, false]],
    [
      'too many nodes',
      ['send', [[adaBytes, 1, 1, null]], [Array.from({ length: 1025 }, () => benBytes), [], false], null, null, null, false],
    ],
    ['a change without a class', ['change', adaBytes, 1, null]],
    ['a rule without a class', ['rules', [[null, null, null, null, 0, null, 0, null]]]],
  ])('are refused with %s', (_, payload) => {
    expect(decodedOf(payload)).toMatchObject({ ok: false, fault: { code: 'ORDER_MALFORMED', blame: 'peer' } });
  });
});
