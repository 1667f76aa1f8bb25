import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const docs = new URL('../../../docs/', import.meta.url);
const notes = readFileSync(new URL('format.md', docs), 'utf8');
const errors = readFileSync(new URL('errors.md', docs), 'utf8');

const links = [...notes.matchAll(/\[`([^`]+)`\]\(([^)]+)\)/g)].map(([, name, target]) => ({
  name: name as string,
  target: target as string,
}));
const source = (target: string) => readFileSync(new URL(target, docs), 'utf8');

describe('the notes on formats', () => {
  it.each(links)('point to a module that says by itself what its bytes are: $name', ({ name, target }) => {
    expect(target).toBe(`../src/${name}`);
    expect(existsSync(new URL(target, docs))).toBe(true);
    expect(source(target)).toMatch(/^\/\*\*(\n \*)? /m);
  });

  const rows = notes.split('\n').filter((line) => line.startsWith('| '));
  const versioned = rows.flatMap((row) =>
    [...row.matchAll(/`(\w+)` = (\d+)/g)].map(([, name, value]) => ({ name: name as string, value: value as string, row })),
  );

  it('give the version of each format that has one of its own', () => {
    expect(versioned.map(({ name }) => name).sort()).toEqual(['manifestVersion', 'planVersion', 'protocolVersion', 'version']);
  });

  it.each(versioned)('give the version that the source has: $name', ({ name, value, row }) => {
    const targets = new Set(links.filter((link) => row.includes(`[\`${link.name}\`]`)).map((link) => link.target));
    const declared = [...targets].flatMap((target) =>
      [...source(target).matchAll(new RegExp(`const ${name} = (\\d+);`, 'g'))].map(([, number]) => number),
    );
    expect(declared).toEqual([value]);
  });

  const signedTexts = rows.flatMap((row) => [...row.matchAll(/`(godwit [a-z ]+ \d)`/g)].map(([, text]) => ({ text: text as string, row })));

  it.each(signedTexts)('quote what is signed as the source has it: $text', ({ text, row }) => {
    const targets = new Set(links.filter((link) => row.includes(`[\`${link.name}\`]`)).map((link) => link.target));
    expect([...targets].filter((target) => source(target).includes(`'${text}\\0'`))).toHaveLength(1);
  });

  it('name only codes that the error reference explains', () => {
    const codes = [...notes.matchAll(/`([A-Z]+(?:_[A-Z0-9]+)+)`/g)].map(([, code]) => code as string);
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.filter((code) => !errors.includes(`\n## ${code}\n`))).toEqual([]);
  });
});
