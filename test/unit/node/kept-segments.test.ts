import { beforeEach, describe, expect, it } from 'vitest';
import { KeptSegments, keptSegmentsBytesMax } from '../../../src/node/kept-segments.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

describe('kept segments', () => {
  let kept: KeptSegments;
  const names = async () => (await kept.list()).map(({ name }) => name);

  beforeEach(() => {
    const catalog = openSqliteCatalog(':memory:');
    kept = new KeptSegments(catalog, (work) => catalog.transaction(work));
  });

  it('are read like those of a medium, in parts, until they are removed', async () => {
    await kept.write('a.gwb', Uint8Array.of(1, 2, 3, 4));
    await kept.write('b.gwb', Uint8Array.of(5));
    expect(await kept.list()).toEqual([
      { name: 'a.gwb', sizeBytes: 4 },
      { name: 'b.gwb', sizeBytes: 1 },
    ]);
    expect([...(await kept.read('a.gwb', 1, 2))]).toEqual([2, 3]);
    expect([...(await kept.read('a.gwb', 3, 9))]).toEqual([4]);
    expect((await kept.read('c.gwb', 0, 1)).length).toBe(0);
    await kept.remove('a.gwb');
    expect(await names()).toEqual(['b.gwb']);
  });

  it('of one name are one segment, the latest', async () => {
    await kept.write('a.gwb', Uint8Array.of(1));
    await kept.write('a.gwb', Uint8Array.of(2, 3));
    expect(await kept.list()).toEqual([{ name: 'a.gwb', sizeBytes: 2 }]);
    expect(await kept.freeBytes()).toBe(keptSegmentsBytesMax - 2);
  });

  it('make way for later ones, the oldest first, and one without any room is not kept', async () => {
    const third = new Uint8Array(Math.floor(keptSegmentsBytesMax / 3));
    for (const name of ['a.gwb', 'b.gwb', 'c.gwb']) await kept.write(name, third);
    await kept.write('d.gwb', Uint8Array.of(1, 2));
    expect(await names()).toEqual(['b.gwb', 'c.gwb', 'd.gwb']);
    await kept.write('e.gwb', new Uint8Array(keptSegmentsBytesMax + 1));
    expect(await names()).toEqual(['b.gwb', 'c.gwb', 'd.gwb']);
  });
});
