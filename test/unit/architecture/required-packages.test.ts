import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nativeParts } from '../../../tools/check-native.ts';
import { type PackageDescription, requiredPackages } from '../../../tools/required-packages.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'godwit-packages-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function addFile(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Puts a package into a directory of the made-up project. */
function addPackage(place: string, description: Omit<PackageDescription, 'name'> & Record<string, unknown>): void {
  addFile(
    `${place}/package.json`,
    JSON.stringify({ name: place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length), ...description }),
  );
}

const places = () =>
  requiredPackages(root)
    .map(({ place }) => place)
    .sort();

describe('Required packages', () => {
  test('are dependencies, their dependencies and their peers, each once, nearest first', () => {
    addPackage('.', { dependencies: { '@field/a': '1', b: '1' } });
    addPackage('node_modules/@field/a', { dependencies: { c: '2' }, peerDependencies: { b: '1' } });
    addPackage('node_modules/@field/a/node_modules/c', { dependencies: { b: '1' } });
    addPackage('node_modules/b', { dependencies: { c: '1' } });
    addPackage('node_modules/c', { dependencies: { b: '1' } });
    expect(places()).toEqual(['node_modules/@field/a', 'node_modules/@field/a/node_modules/c', 'node_modules/b', 'node_modules/c']);
  });

  test('are not the optional ones, nor those for development', () => {
    addPackage('.', { dependencies: { a: '1', b: '1' }, optionalDependencies: { b: '1' }, devDependencies: { c: '1' } });
    addPackage('node_modules/a', { peerDependencies: { d: '1' }, peerDependenciesMeta: { d: { optional: true } } });
    for (const name of ['b', 'c', 'd']) addPackage(`node_modules/${name}`, {});
    expect(places()).toEqual(['node_modules/a']);
  });

  test('that are not installed are an error', () => {
    addPackage('.', { dependencies: { a: '1' } });
    expect(() => requiredPackages(root)).toThrow(/npm ci/);
  });
});

describe('The search for native parts', () => {
  beforeEach(() => {
    addPackage('.', { dependencies: { a: '1' }, scripts: { postinstall: 'node setup.js' } });
  });

  test('finds none in a package of plain JavaScript', () => {
    addPackage('node_modules/a', { scripts: { test: 'node test.js', prepare: 'tsc' } });
    addFile('node_modules/a/lib/a.wasm', '');
    expect(nativeParts(root)).toEqual([]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a build by gyp', { gypfile: true }],
    ['a script before installation', { scripts: { preinstall: 'node check.js' } }],
    ['a script at installation', { scripts: { install: 'node-gyp rebuild' } }],
    ['a script after installation', { scripts: { postinstall: 'node fetch.js' } }],
    ['one operating system', { os: ['linux'] }],
    ['one processor', { cpu: ['x64'] }],
    ['one C library', { libc: ['glibc'] }],
  ])('finds %s', (_, description) => {
    addPackage('node_modules/a', description);
    expect(nativeParts(root)).toHaveLength(1);
  });

  test.each(['binding.gyp', 'prebuilds/linux-x64/a.node', 'deps/inner/binding.gyp'])('finds the file %s', (path) => {
    addPackage('node_modules/a', {});
    addFile(`node_modules/a/${path}`, '');
    expect(nativeParts(root)).toHaveLength(1);
  });

  test('looks into dependencies of dependencies, and says which', () => {
    addPackage('node_modules/a', { dependencies: { b: '1' } });
    addPackage('node_modules/a/node_modules/b', { gypfile: true });
    expect(nativeParts(root)).toEqual([expect.stringContaining('node_modules/a/node_modules/b')]);
  });

  test('finds none in what this project requires', () => {
    expect(nativeParts(fileURLToPath(new URL('../../../', import.meta.url)))).toEqual([]);
  });
});
