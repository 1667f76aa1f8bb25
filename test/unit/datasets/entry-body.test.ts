import { describe, expect, it } from 'vitest';
import { fromHex, utf8 } from '../../../src/core/bytes.ts';
import { type CborValue, encodeCbor } from '../../../src/core/cbor.ts';
import { type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import {
  areAttributes,
  changeBytesMax,
  decodeEntryBody,
  type EntryBody,
  encodeEntryBody,
  type FileChange,
  isDatasetPath,
} from '../../../src/datasets/entry-body.ts';

const alice = identifier<NodeId>(new Uint8Array(32).fill(1));
const bob = identifier<NodeId>(new Uint8Array(32).fill(2));
const root = new Uint8Array(32).fill(3) as Hash;
const emptyRoot = fromHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855') as Hash;

const header = { instant: { wallMs: 1_700_000_000_000, counter: 2 }, clockQuality: 'gnss' } as const;
const file: FileChange = {
  path: 'plots/A 1/data.csv',
  superseded: [
    { author: alice, sequence: 4 },
    { author: bob, sequence: 9 },
  ],
  kind: 'file',
  content: { root, sizeBytes: 70_000, depth: 1 },
  mtimeNs: 1_699_999_999_123_456_789n,
  mode: 0o644,
};

const filesBody = (...changes: FileChange[]): EntryBody => ({ ...header, kind: 'files', changes });

function decoded(body: EntryBody): EntryBody {
  const outcome = decodeEntryBody(encodeEntryBody(body, alice), alice);
  if (!outcome.ok) throw new Error(outcome.fault.code);
  return outcome.value;
}

/** What comes of a body with one change that is written like this. */
function codeOfChange(change: CborValue, ...more: CborValue[]): string {
  const outcome = decodeEntryBody(encodeCbor([1, 0, 0, 0, [change, ...more]]), alice);
  return outcome.ok ? 'taken' : outcome.fault.code;
}

function codeOf(value: CborValue): string {
  const outcome = decodeEntryBody(encodeCbor(value), alice);
  return outcome.ok ? 'taken' : outcome.fault.code;
}

describe('a body', () => {
  it.each<[string, FileChange]>([
    ['a file', file],
    [
      'a file with metadata',
      { ...file, attributes: { mime: 'text/csv', constructor: 'Campbell', __proto__x: 1.5, checked: true, ключ: '' } },
    ],
    ['an empty file', { ...file, content: { root: emptyRoot, sizeBytes: 0, depth: 0 } }],
    ['a file from before 1970', { ...file, mtimeNs: -1n }],
    ['a symbolic link', { path: 'a', superseded: [], kind: 'symlink', target: '../elsewhere', mtimeNs: 5n }],
    ['a removal', { path: 'a', superseded: file.superseded, kind: 'removal' }],
  ])('brings %s back as it was', (_, change) => {
    expect(decoded(filesBody(change))).toEqual(filesBody(change));
  });

  it('keeps metadata under names that objects have anyway', () => {
    const attributes = JSON.parse('{"__proto__":"x","hasOwnProperty":2}');
    const body = decoded(filesBody({ ...file, attributes }));
    const change = body.kind === 'files' ? body.changes[0] : undefined;
    expect(JSON.stringify(change?.kind === 'file' && change.attributes)).toBe('{"__proto__":"x","hasOwnProperty":2}');
  });

  it.each([
    { latitude: -17.25, longitude: 179.5 },
    { latitude: 1, longitude: 2, altitudeM: -400 },
    { latitude: 1, longitude: 2, altitudeM: 3, accuracyM: 4.5 },
    { latitude: 1, longitude: 2, datum: 'ED50' },
    { latitude: 1, longitude: 2, altitudeM: 3, accuracyM: 4.5, verticalAccuracyM: 9, datum: 'WGS 84', method: 'gnss', instantUs: -1 },
  ])('says where it was written: %j', (position) => {
    expect(decoded({ ...filesBody(file), position } as EntryBody)).toEqual({ ...filesBody(file), position });
  });

  it('carries payloads of other components as they are', () => {
    const body: EntryBody = { ...header, kind: 'segment', payload: ['x', new Uint8Array([1, 2])] };
    expect(decoded(body)).toEqual(body);
  });

  it('writes dots of its own author short', () => {
    const short = encodeEntryBody(filesBody({ ...file, superseded: [{ author: alice, sequence: 4 }] }), alice);
    const long = encodeEntryBody(filesBody({ ...file, superseded: [{ author: bob, sequence: 4 }] }), alice);
    expect(long.length - short.length).toBe(35);
  });

  it('is of a newer version when its kind is not known', () => {
    expect(decodeEntryBody(encodeCbor([99, 0, 0, 0, null]), alice)).toMatchObject({
      fault: { code: 'ENTRY_KIND_UNKNOWN', blame: 'incompatible' },
    });
  });

  it.each<[string, CborValue]>([
    ['no array', 'x'],
    ['too short', [1, 0, 0, 0]],
    ['too long', [0, 0, 0, 0, null, [1, 2, null, null], 1]],
    ['a negative time', [0, -1, 0, 0, null]],
    ['a time beyond exact integers', [0, 1e300, 0, 0, null]],
    ['a time with a fraction', [0, 0.5, 0, 0, null]],
    ['a clock quality that is not', [0, 0, 0, 4, null]],
    ['a latitude beyond the pole', [0, 0, 0, 0, null, [91, 0, null, null]]],
    ['a longitude that is not a number', [0, 0, 0, 0, null, [0, Number.NaN, null, null]]],
    ['a position of two numbers', [0, 0, 0, 0, null, [0, 0]]],
    ['a position of five members', [0, 0, 0, 0, null, [0, 0, null, null, null]]],
    ['a datum of no letters', [0, 0, 0, 0, null, [0, 0, null, null, null, '', null, null]]],
    ['a fix at no whole microsecond', [0, 0, 0, 0, null, [0, 0, null, null, null, null, null, 0.5]]],
    ['no changes', [1, 0, 0, 0, []]],
    ['changes that are no list', [1, 0, 0, 0, 'x']],
  ])('is malformed with %s', (_, value) => {
    expect(codeOf(value)).toBe('ENTRY_MALFORMED');
  });

  it('is malformed when it is not CBOR', () => {
    expect(decodeEntryBody(utf8('hello'), alice)).toMatchObject({ ok: false, fault: { code: 'CBOR_MALFORMED' } });
  });
});

describe('a change in a foreign body', () => {
  const fields = ['a', [], 0, root, 1, 0, 0, 0, 0o644] as const;
  const withField = (at: number, value: CborValue): CborValue => [...fields.slice(0, at), value, ...fields.slice(at + 1)];

  it('is taken as it should be', () => {
    expect(codeOfChange([...fields])).toBe('taken');
  });

  it.each<[string, CborValue]>([
    ['a path out of the tree', withField(0, '../a')],
    ['an own entry number of 0', withField(1, [0])],
    ['a short node identifier', withField(1, [[new Uint8Array(31), 1]])],
    ['an entry number beyond exact integers', withField(1, [1e300])],
    [
      'more replaced heads than are kept apart',
      withField(
        1,
        Array.from({ length: limits.headsPerEntryMax + 1 }, (_, i) => i + 1),
      ),
    ],
    ['a kind that is not', withField(2, 3)],
    ['a short root', withField(3, new Uint8Array(31))],
    ['a negative size', withField(4, -1)],
    ['a size beyond exact integers', withField(4, 1e300)],
    ['a depth that no content has', [...fields.slice(0, 5), 11, ...fields.slice(6)]],
    ['a fraction of a second over a second', withField(7, 1_000_000_000)],
    ['seconds beyond exact integers', withField(6, 1e300)],
    ['a mode beyond the permission bits', withField(8, 0o10000)],
    ['metadata that are no texts, numbers and truth values', [...fields, { a: ['x'] }]],
    ['metadata that are a list', [...fields, ['x']]],
    ['metadata that are bytes', [...fields, new Uint8Array(2)]],
    ['metadata with an endless number', [...fields, { a: Number.POSITIVE_INFINITY }]],
    ['an item left over', [...fields, { a: 1 }, 1]],
    ['one chunk longer than a chunk may be', withField(4, limits.chunkBytesMax + 1)],
    // Empty contents count as complete without a byte having come: any root but that of nothing would make others believe they hold what they do not.
    ['no bytes under a root that is not that of nothing', withField(4, 0)],
    ['no bytes and a manifest', ['a', [], 0, emptyRoot, 0, 1, 0, 0, 0]],
    ['a link to nowhere', ['a', [], 1, '', 0, 0]],
    ['a link whose target holds NUL', ['a', [], 1, 'x\0y', 0, 0]],
    ['a link with a target of 4,097 characters', ['a', [], 1, 'x'.repeat(4097), 0, 0]],
    ['a removal with a time', ['a', [], 2, 0]],
  ])('is malformed with %s', (_, change) => {
    expect(codeOfChange(change)).toBe('ENTRY_MALFORMED');
  });

  it('may not be one of two for a path', () => {
    expect(codeOfChange([...fields], ['a', [], 2])).toBe('ENTRY_MALFORMED');
    expect(codeOfChange([...fields], ['b', [], 2])).toBe('taken');
  });

  it('may not be one of more than a revision holds', () => {
    const changes = Array.from({ length: limits.changesPerRevisionMax + 1 }, (_, i): CborValue => [`${i}`, [], 2]);
    expect(codeOf([1, 0, 0, 0, changes])).toBe('ENTRY_MALFORMED');
    expect(codeOf([1, 0, 0, 0, changes.slice(1)])).toBe('taken');
  });
});

describe('our own body', () => {
  it.each<[string, FileChange]>([
    ['a path out of the tree', { ...file, path: '../a' }],
    ['too many replaced heads', { ...file, superseded: Array.from({ length: 65 }, (_, i) => ({ author: bob, sequence: i + 1 })) }],
    ['metadata with an endless number', { ...file, attributes: { a: Number.NaN } }],
    ['an empty link', { path: 'a', superseded: [], kind: 'symlink', target: '', mtimeNs: 0n }],
  ])('is not signed with %s, which every other node would refuse', (_, change) => {
    expect(() => encodeEntryBody(filesBody(change), alice)).toThrow(expect.objectContaining({ code: 'CHANGE_UNSUPPORTED' }));
  });
});

describe('the bound of a change', () => {
  it.each<FileChange>([
    { ...file, path: '𝄞'.repeat(1000), superseded: Array.from({ length: 64 }, () => ({ author: bob, sequence: 2 ** 53 - 1 })) },
    { ...file, attributes: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`нáme ${i}`, i % 2 ? 'ż'.repeat(i) : i / 7])) },
    { path: '\uffff'.repeat(100), superseded: [], kind: 'symlink', target: '語'.repeat(1000), mtimeNs: 2n ** 63n - 1n },
    { path: 'a', superseded: [], kind: 'removal' },
  ])('is not below its bytes: %#', (change) => {
    const alone = encodeEntryBody(filesBody({ path: 'x', superseded: [], kind: 'removal' }), alice).length;
    const both = encodeEntryBody(filesBody({ path: 'x', superseded: [], kind: 'removal' }, change), alice).length;
    expect(changeBytesMax(change)).toBeGreaterThanOrEqual(both - alone);
  });
});

describe('paths and metadata', () => {
  it.each(['a', 'a/b.c', 'ä/𝄞', '.hidden', 'a b', 'x'.repeat(limits.pathBytesMax)])('take %j', (path) =>
    expect(isDatasetPath(path)).toBe(true),
  );

  it.each(['', '/a', 'a/', 'a//b', './a', 'a/..', 'a\0', 'a\\b', '\ud800', 'ä'.repeat(limits.pathBytesMax / 2 + 1)])('refuse %j', (path) =>
    expect(isDatasetPath(path)).toBe(false),
  );

  it('refuse names and texts that are too long or no Unicode', () => {
    expect([{ a: 'x'.repeat(65_536) }, { ['x'.repeat(256)]: 1 }, {}].map(areAttributes)).toEqual([true, true, true]);
    expect([{ a: 'x'.repeat(65_537) }, { ['x'.repeat(257)]: 1 }, { a: '\ud800' }, { '\ud800': 1 }, null, 'x'].map(areAttributes)).toEqual(
      Array(6).fill(false),
    );
  });
});
