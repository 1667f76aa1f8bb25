import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import type { NodeId } from '../../../src/core/identifiers.ts';
import { identifierToBytes } from '../../../src/core/identifiers.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import { BundleShelf, SegmentWriter } from '../../../src/node/bundle-shelf.ts';
import { openIdentity } from '../../../src/node/identity.ts';
import { Membership } from '../../../src/node/membership.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { systemEntropy } from '../../../src/runtime/system-entropy.ts';
import { encodeRecord, type SegmentTable } from '../../../src/session/bundle-records.ts';
import { BundleSealer } from '../../../src/session/bundle-seals.ts';
import { encodeSegment } from '../../../src/session/bundle-segment.ts';
import { UsbStick } from '../../../src/simulation/usb-stick.ts';

/** The only member of a team, and a stick. */
function lonely() {
  const catalog = openSqliteCatalog(':memory:');
  const identity = openIdentity(catalog, nodeCrypto, systemEntropy);
  const membership = new Membership(catalog, nodeCrypto, new LogStore(catalog, nodeCrypto));
  membership.found({
    name: 'Storbreen',
    nodeName: 'camp',
    identity,
    nonce: systemEntropy.bytes(16),
    secret: systemEntropy.bytes(32),
    createdMs: 1,
  });
  const stick = new UsbStick();
  const parts = { crypto: nodeCrypto, entropy: systemEntropy, identity, membership };
  return { identity, membership, stick, shelf: new BundleShelf(parts, stick) };
}

const stranger = openIdentity(openSqliteCatalog(':memory:'), nodeCrypto, systemEntropy);

function tableOf(exporter: NodeId): SegmentTable {
  return { exporter, wallMs: 1, addressed: [], hasReceipts: false, damaged: [], rows: [] };
}

/** A segment for a node, made by whoever has these keys. */
function forged(camp: ReturnType<typeof lonely>, by: typeof stranger, signedBy: typeof stranger, claims: NodeId): Uint8Array {
  const team = identifierToBytes(camp.membership.team as NonNullable<typeof camp.membership.team>);
  const sealer = new BundleSealer(nodeCrypto, systemEntropy, by.channelKey, team);
  return encodeSegment(
    {
      records: [encodeRecord({ type: 'table', table: tableOf(claims) }), utf8('\u0009 of a newer version')],
      sealed: sealer.seal([camp.identity.channelKey.publicKey]),
      teamTag: sealer.teamTag,
      salt: systemEntropy.bytes(16),
      sign: (hash) => nodeCrypto.ed25519Sign(signedBy.signingKey, hash),
    },
    nodeCrypto,
  );
}

describe('a shelf', () => {
  it('reads what it wrote, and knows who made it', async () => {
    const { identity, shelf } = lonely();
    const name = await shelf.newName();
    const sizeBytes = await shelf.write(name, tableOf(identity.node), [], shelf.seal([]));
    const { segments } = await shelf.survey();
    expect(segments).toEqual([{ name, sizeBytes, table: tableOf(identity.node), exporter: identity.node }]);
    const read = await shelf.read(segments[0] as NonNullable<(typeof segments)[0]>);
    expect(read).toMatchObject({ ok: true, value: { damage: [], faults: [], records: [{ type: 'table' }] } });
    expect([shelf.bytesWritten, shelf.bytesRead]).toEqual([sizeBytes, 2 * sizeBytes]);
  });

  it('names segments in the order of writing, behind those of others and whatever their case', async () => {
    const { shelf, stick } = lonely();
    stick.put('00ZZ0000.GWB', utf8('of somebody else'));
    expect(await shelf.newName()).toMatch(/^0100[0-9a-z]{4}\.gwb$/);
    stick.put('zzzzabcd.gwb', utf8('the last name there is'));
    expect(await shelf.newName()).toMatch(/^0000[0-9a-z]{4}\.gwb$/);
  });

  it.each([
    ['signed by another node than the one that sealed it', 'BUNDLE_SIGNATURE', 'camp', 'stranger', 'camp'],
    ['sealed by another node than it says', 'BUNDLE_SENDER', 'stranger', 'stranger', 'camp'],
    ['of a member that says it is somebody else', 'BUNDLE_SENDER', 'camp', 'camp', 'stranger'],
  ] as const)('takes nothing of a segment %s', async (_, code, by, signedBy, claims) => {
    const camp = lonely();
    const who = { camp: camp.identity, stranger };
    camp.stick.put('0001abcd.gwb', forged(camp, who[by], who[signedBy], who[claims].node));
    const { segments } = await camp.shelf.survey();
    expect(await camp.shelf.read(segments[0] as NonNullable<(typeof segments)[0]>)).toMatchObject({ ok: false, fault: { code } });
  });

  it('reads a segment of a node that it does not know, without knowing who that is, and skips records of a newer version', async () => {
    const camp = lonely();
    camp.stick.put('0001abcd.gwb', forged(camp, stranger, stranger, stranger.node));
    const { segments } = await camp.shelf.survey();
    expect(segments).toMatchObject([{ exporter: undefined, table: { exporter: stranger.node } }]);
    expect(await camp.shelf.read(segments[0] as NonNullable<(typeof segments)[0]>)).toMatchObject({
      ok: true,
      value: { records: [{ type: 'table' }], faults: [{ code: 'BUNDLE_RECORD_UNKNOWN' }] },
    });
  });

  it('lists a segment whose table is lost all the same', async () => {
    const { identity, shelf, stick } = lonely();
    const records = Array.from({ length: 3 }, () =>
      encodeRecord({
        type: 'group',
        group: { root: systemEntropy.bytes(32) as never, planId: systemEntropy.bytes(16), group: 0, encoded: systemEntropy.bytes(60_000) },
      }),
    );
    await shelf.write('0001abcd.gwb', tableOf(identity.node), records, shelf.seal([]));
    const bytes = stick.bytes('0001abcd.gwb');
    // The first block and the parity that could have put it right.
    bytes.fill(0, 1000, 2000);
    bytes.fill(0, bytes.length - 3000, bytes.length - 2000);
    const { segments } = await shelf.survey();
    expect(segments).toMatchObject([{ table: undefined, exporter: identity.node }]);
    const read = await shelf.read(segments[0] as NonNullable<(typeof segments)[0]>);
    expect(read.ok && read.value.records.map(({ type }) => type)).toEqual(['group']);
  });
});

describe('a writer of segments', () => {
  it('keeps to its budget to the byte, and begins another segment when one is full', async () => {
    const { identity, shelf, stick } = lonely();
    const { rows: _, ...table } = tableOf(identity.node);
    const record = systemEntropy.bytes(5_000_000);
    const writer = new SegmentWriter(shelf, table, 25_000_000);
    let added = 0;
    while (await writer.add([record], undefined)) added++;
    await writer.flush();
    expect([added, writer.segments, writer.bytes]).toEqual([4, 2, stick.usedBytes]);
    expect(stick.usedBytes).toBeLessThanOrEqual(25_000_000);
    expect(await writer.add([new Uint8Array(17_000_000)], undefined)).toBe(false);
  });

  it('stops when the medium is full, and fails when it is pulled out', async () => {
    const { identity, shelf, stick } = lonely();
    const { rows: _, ...table } = tableOf(identity.node);
    stick.capacityBytes = 10_000;
    const writer = new SegmentWriter(shelf, table, Infinity);
    expect(await writer.add([systemEntropy.bytes(20_000)], undefined)).toBe(true);
    await writer.flush();
    expect([writer.isFull, writer.segments, await writer.add([utf8('more')], undefined)]).toEqual([true, 0, false]);
    const other = new SegmentWriter(shelf, table, Infinity);
    await other.add([utf8('some')], undefined);
    stick.stepsLeft = 2;
    await expect(other.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});
