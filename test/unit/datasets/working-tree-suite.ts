import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { DatasetNode, dataset, memoryDisk, type NodeDisk, TestClock } from '../../simulation/dataset-node.ts';

/** A directory under test, and what people do in it. */
export interface TreeSubject {
  readonly disk: NodeDisk;
  /** Saves a file in place, as a program would. Its time is the clock's. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  chmod?(path: string, mode: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** The bytes of a file, or `undefined`. */
  get(path: string): Promise<Uint8Array | undefined>;
  dispose(): Promise<void>;
}

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));

/** What a working tree does, on whatever kind of directory. */
export function workingTreeSuite(name: string, open: (clock: TestClock) => Promise<TreeSubject>): void {
  describe(`a working tree on ${name}`, () => {
    const clock = new TestClock();
    let here: TreeSubject;
    let node: DatasetNode;
    let other: DatasetNode;
    let there: ReturnType<typeof memoryDisk>;

    beforeEach(async () => {
      here = await open(clock);
      node = new DatasetNode(1, here.disk, clock);
      there = memoryDisk(clock);
      other = new DatasetNode(2, there, clock);
    });
    afterEach(() => here.dispose());

    const put = async (path: string, content: string | Uint8Array) => {
      clock.tick();
      await here.put(path, typeof content === 'string' ? utf8(content) : content);
    };
    const putThere = (path: string, content: string | Uint8Array) => {
      clock.tick();
      there.tree.put(path, typeof content === 'string' ? utf8(content) : content);
    };
    const onDisk = async (path: string) => text(await here.get(path));
    const paths = (changes: readonly { path: string }[]) => changes.map(({ path }) => path);

    it('publishes what is new or changed, once, and what is gone as removed', async () => {
      await put('a/b', 'one');
      await put('c', '');
      expect(paths((await node.scan()).published)).toEqual(['a/b', 'c']);
      expect((await node.scan()).published).toEqual([]);
      await put('a/b', 'two');
      expect(paths((await node.scan()).published)).toEqual(['a/b']);
      await here.remove('a/b');
      expect((await node.scan()).published).toMatchObject([{ path: 'a/b', kind: 'removal' }]);
      expect((await node.scan()).published).toEqual([]);
      expect(node.index.conflicts(dataset, { open: false })).toEqual([]);
    });

    it('brings what others publish to disk, with times and modes, and publishes none of it again', async () => {
      putThere('a/b', 'theirs');
      await other.scan();
      expect(await node.sync(other)).toEqual({ 'a/b': 'written' });
      const stat = await here.disk.tree.stat('a/b');
      const head = node.index.heads(dataset, 'a/b')[0];
      expect(await onDisk('a/b')).toBe('theirs');
      expect(head?.kind === 'file' && head.mtimeNs === stat?.mtimeNs && head.mode === stat.mode).toBe(true);
      expect((await node.scan()).published).toEqual([]);
      expect(await node.materialise()).toEqual({ 'a/b': 'unchanged' });
    });

    it('notices that a file it wrote was removed, also before any other scan', async () => {
      putThere('a', 'theirs');
      await other.scan();
      await node.sync(other);
      await put('other', 'x');
      await here.remove('a');
      expect((await node.scan()).published).toMatchObject([{ path: 'other' }, { path: 'a', kind: 'removal' }]);
      await other.sync(node);
      expect(await there.tree.stat('a')).toBeUndefined();
    });

    it('never overwrites an edit that is not published: it becomes the other side of a conflict', async () => {
      await put('a', 'base');
      await node.scan();
      await other.sync(node);
      putThere('a', 'their edit');
      await other.scan();
      await put('a', 'our edit');
      expect(await node.sync(other)).toEqual({ a: 'modified-on-disk' });
      expect(await onDisk('a')).toBe('our edit');
      expect(paths((await node.scan()).published)).toEqual(['a']);
      expect(node.heads('a')).toHaveLength(2);
      expect(node.index.inConflict(dataset, 'a')).toBe(true);
      // In a conflict, what stands on disk stays.
      expect(await node.materialise()).toEqual({ a: 'unchanged' });
      expect(await onDisk('a')).toBe('our edit');
    });

    it('never overwrites a file that was never published', async () => {
      putThere('a', 'theirs');
      await other.scan();
      await put('a', 'ours');
      expect(await node.sync(other)).toEqual({ a: 'modified-on-disk' });
      await node.scan();
      expect(node.index.inConflict(dataset, 'a')).toBe(true);
      expect(await onDisk('a')).toBe('ours');
    });

    it('never overwrites what is saved while the new version is being written', async () => {
      await put('a', 'base');
      await node.scan();
      await other.sync(node);
      putThere('a', 'their edit');
      await other.scan();
      node.receiveEntries(other);
      await node.receiveContents(other);
      const lend = node.contents.lend.bind(node.contents);
      node.contents.lend = async function* (content) {
        yield* lend(content);
        await put('a', 'saved meanwhile');
      };
      expect(await node.tree.materialise('a')).toBe('modified-on-disk');
      expect(await onDisk('a')).toBe('saved meanwhile');
    });

    it('keeps a file that was edited where others removed it, and one that was removed where others edited it', async () => {
      await put('edited here', 'base');
      await put('removed here', 'base');
      await node.scan();
      await other.sync(node);
      await there.tree.remove('edited here');
      putThere('removed here', 'edited there');
      await other.scan();
      await put('edited here', 'edited');
      await here.remove('removed here');
      await node.sync(other);
      await node.scan();
      await node.materialise();
      expect(await onDisk('edited here')).toBe('edited');
      expect([node.index.inConflict(dataset, 'edited here'), node.index.inConflict(dataset, 'removed here')]).toEqual([true, true]);
    });

    it('removes what others removed', async () => {
      await put('a', 'x');
      await node.scan();
      await other.sync(node);
      await there.tree.remove('a');
      await other.scan({ allowEmptied: true });
      expect(await node.sync(other)).toEqual({ a: 'written' });
      expect(await onDisk('a')).toBeUndefined();
      expect((await node.scan()).published).toEqual([]);
    });

    it('replaces a removed file without a conflict when somebody makes it anew', async () => {
      putThere('a', 'x');
      await other.scan();
      await there.tree.remove('a');
      await other.scan({ allowEmptied: true });
      expect(await node.sync(other)).toEqual({ a: 'unchanged' });
      await put('a', 'anew');
      await node.scan();
      expect(node.heads('a')).toHaveLength(1);
      expect(node.index.conflicts(dataset, { open: false })).toEqual([]);
    });

    it('writes a directory where a file was, and a file where a directory was', async () => {
      await put('x', 'file');
      await put('y/z', 'file');
      await node.scan();
      await other.sync(node);
      await there.tree.remove('x');
      await there.tree.remove('y/z');
      putThere('x/deep/file', '1');
      putThere('y', '2');
      await other.scan();
      await node.sync(other);
      expect([await onDisk('x/deep/file'), await onDisk('y')]).toEqual(['1', '2']);
    });

    it('adopts files that were put in place by hand, without a revision', async () => {
      putThere('a', 'same');
      putThere('b', 'theirs');
      await other.scan();
      node.receiveEntries(other);
      const head = other.index.heads(dataset, 'a')[0]!;
      if (head.kind !== 'file') throw new Error('not a file');
      await here.disk.tree.write('a', Array.of(utf8('same')).values() as never, { mtimeNs: head.mtimeNs, mode: head.mode });
      await put('b', 'mine');
      expect(paths((await node.scan()).published)).toEqual(['b']);
      expect(node.contents.holds(head.content.root)).toBe(true);
      expect(await node.tree.materialise('a')).toBe('unchanged');
    });

    it('ends a conflict when somebody makes their file like the other', async () => {
      putThere('a', 'theirs');
      await other.scan();
      await put('a', 'ours');
      await node.scan();
      node.receiveEntries(other);
      expect(node.index.inConflict(dataset, 'a')).toBe(true);
      await put('a', 'theirs');
      expect(paths((await node.scan()).published)).toEqual(['a']);
      expect(node.index.inConflict(dataset, 'a')).toBe(false);
    });

    it('ends a conflict too when somebody copies the other side over theirs, times and all', async () => {
      putThere('a', 'theirs');
      await other.scan();
      await put('a', 'ours');
      await node.scan();
      node.receiveEntries(other);
      const head = other.index.heads(dataset, 'a')[0]!;
      if (head.kind !== 'file') throw new Error('not a file');
      await here.disk.tree.write('a', [utf8('theirs')].values() as never, { mtimeNs: head.mtimeNs, mode: head.mode });
      expect(paths((await node.scan()).published)).toEqual(['a']);
      expect(node.index.inConflict(dataset, 'a')).toBe(false);
    });

    it('publishes a file that is touched, and brings the new time to the others', async () => {
      await put('a', 'x');
      await node.scan();
      await other.sync(node);
      putThere('a', 'x');
      expect(paths((await other.scan()).published)).toEqual(['a']);
      expect(await node.sync(other)).toEqual({ a: 'written' });
      expect((await here.disk.tree.stat('a'))?.mtimeNs).toBe((await there.tree.stat('a'))?.mtimeNs);
      expect((await node.scan()).published).toEqual([]);
    });

    it('keeps links as links, wherever they point', async () => {
      await there.tree.link('out', '../../etc/passwd');
      await other.scan();
      expect(await node.sync(other)).toEqual({ out: 'written' });
      expect(await here.disk.tree.stat('out')).toMatchObject({ kind: 'symlink', target: '../../etc/passwd' });
      expect((await node.scan()).published).toEqual([]);
      await there.tree.link('out', 'elsewhere');
      await other.scan();
      await node.sync(other);
      expect(await here.disk.tree.stat('out')).toMatchObject({ target: 'elsewhere' });
      await here.remove('out');
      await put('out', 'now a file');
      await node.scan();
      await other.sync(node);
      expect(await there.tree.stat('out')).toMatchObject({ kind: 'file' });
    });

    it('takes an edit to a large file that is the only place of its bytes', async () => {
      const large = seededRandom(1).bytes(5 * 1024 * 1024);
      await put('big', large);
      await node.scan();
      await other.sync(node);
      const edited = large.slice();
      edited.fill(7, 3_000_000, 3_000_100);
      putThere('big', edited);
      await other.scan();
      expect(await node.sync(other)).toEqual({ big: 'written' });
      expect(Buffer.compare((await here.get('big'))!, edited)).toBe(0);
      expect((await node.scan()).published).toEqual([]);
      const [head] = node.index.heads(dataset, 'big');
      expect(head?.kind === 'file' && node.contents.holds(head.content.root)).toBe(true);
      // The version before is gone from here, and nobody pretends otherwise.
      const [, old] = node.index.history(dataset, 'big');
      expect(old?.kind === 'file' && node.contents.holds(old.content.root)).toBe(false);
      expect(node.wants.outstanding(dataset).contents).toBe(0);
    });
  });
}
