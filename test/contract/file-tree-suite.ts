import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GodwitError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { FileAttributes, FileStat, FileTree } from '../../src/ports/file-tree.ts';
import { fromSighting, sightingsOf } from '../../src/ports/sighting.ts';

/** A tree on some medium, as the suite handles it. */
export interface FileTreeSubject {
  readonly tree: FileTree;
  /** Opens what is on the medium anew. `tree` is the new one from then on. */
  reopen(): Promise<void>;
  /** Frees the medium. */
  dispose(): Promise<void>;
}

/** The bytes in pieces, as they come from a network. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 60_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.slice(at, at + pieceBytes);
}

const text = (value: string) => new TextEncoder().encode(value);

const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: GodwitError) => error.code ?? String(error),
  );

/** What every FileTree must do. `create` gives a new, empty one. */
export function fileTreeContract(name: string, create: () => Promise<FileTreeSubject>): void {
  describe(`the file tree contract: ${name}`, () => {
    let subject: FileTreeSubject;
    let tree: FileTree;

    const write = (path: string, content: string | Uint8Array = path, attributes: FileAttributes = {}): Promise<FileStat> =>
      tree.write(path, inPieces(typeof content === 'string' ? text(content) : content), attributes);

    const contentOf = async (path: string): Promise<Uint8Array> => {
      const reader = await tree.open(path);
      try {
        return await reader.read(0, (await reader.stat()).sizeBytes + 10);
      } finally {
        await reader.close();
      }
    };
    const textOf = async (path: string) => new TextDecoder().decode(await contentOf(path));
    const paths = async () => (await Array.fromAsync(tree.walk())).map(({ path }) => path);

    beforeEach(async () => {
      subject = await create();
      tree = subject.tree;
    });
    afterEach(() => subject.dispose());

    describe('many files', () => {
      const surveyed = async () => (await Array.fromAsync(tree.survey())).flatMap(sightingsOf);

      it('are surveyed as they are walked', async () => {
        for (let file = 0; file < 1200; file++) await write(`${file % 7}/${file}`, 'x');
        await tree.link('link', 'a target  with\nblanks');
        expect((await surveyed()).map(fromSighting)).toEqual(await Array.fromAsync(tree.walk()));
        expect(await surveyed()).toEqual(await surveyed());
      });

      it('are read whole, but for those that are not what was sighted any more', async () => {
        await write('changed', 'one');
        for (const path of ['empty', 'gone', 'long', 'plain'])
          await write(path, path === 'empty' ? '' : path === 'long' ? new Uint8Array(100_000).fill(7) : path);
        await tree.link('link', 'plain');
        const sighted = await surveyed();
        await write('changed', 'two');
        await tree.remove('gone');
        const read = await tree.readWhole(sighted);
        expect(sighted.map(({ path }, at) => [path, read[at]])).toEqual([
          ['changed', undefined],
          ['empty', new Uint8Array(0)],
          ['gone', undefined],
          ['link', undefined],
          ['long', new Uint8Array(100_000).fill(7)],
          ['plain', text('plain')],
        ]);
      });

      it('are not surveyed to the end by whoever stops', async () => {
        for (const path of ['a', 'b']) await write(path);
        for await (const page of tree.survey()) {
          expect(sightingsOf(page)[0]?.path).toBe('a');
          break;
        }
        expect((await surveyed()).map(({ path }) => path)).toEqual(['a', 'b']);
      });
    });

    describe('what may be replaced', () => {
      const standing: (FileStat | undefined)[] = [];
      const never = (stat: FileStat | undefined): boolean => {
        standing.push(stat);
        return false;
      };

      it('is asked by what stands there when the bytes have all come, and what stands there stays when it may not', async () => {
        standing.length = 0;
        await write('a/b', 'old');
        async function* meanwhile(): AsyncGenerator<Uint8Array> {
          yield text('new');
          await write('a/b', 'saved meanwhile');
        }
        expect(await codeOf(tree.write('a/b', meanwhile(), {}, never))).toBe('FILE_CHANGED');
        expect(await codeOf(tree.link('a/b', 'x', never))).toBe('FILE_CHANGED');
        expect(await codeOf(tree.remove('a/b', never))).toBe('FILE_CHANGED');
        expect(standing).toEqual([1, 2, 3].map(() => expect.objectContaining({ path: 'a/b', kind: 'file', sizeBytes: 15 })));
        expect(await tree.stat('a/b')).toEqual(standing[0]);
        expect(await textOf('a/b')).toBe('saved meanwhile');
        expect(await paths()).toEqual(['a/b']);
      });

      it('is asked with nothing where nothing stands, and what may be is done', async () => {
        standing.length = 0;
        expect(await codeOf(tree.write('c', inPieces(text('new')), {}, never))).toBe('FILE_CHANGED');
        expect(standing).toEqual([undefined]);
        expect(await tree.stat('c')).toBeUndefined();
        await tree.write('c', inPieces(text('new')), {}, (stat) => stat === undefined);
        await tree.remove('c', (stat) => stat?.sizeBytes === 3);
        expect(await paths()).toEqual([]);
      });
    });

    describe('an empty tree', () => {
      it('holds nothing', async () => {
        expect(await paths()).toEqual([]);
        expect(await tree.stat('a')).toBeUndefined();
        expect(await tree.stat('a/b')).toBeUndefined();
        expect(await codeOf(tree.open('a'))).toBe('FILE_MISSING');
        expect(await codeOf(tree.open('a/b'))).toBe('FILE_MISSING');
      });
    });

    describe('writing', () => {
      it('makes a file with this content, and its directories', async () => {
        const content = seededRandom(1).bytes(300_000);
        const stat = await write('site/2024/june.dat', content);
        expect(stat).toMatchObject({ path: 'site/2024/june.dat', kind: 'file', sizeBytes: 300_000 });
        expect(await contentOf('site/2024/june.dat')).toEqual(content);
        expect(await tree.stat('site/2024/june.dat')).toEqual(stat);
        expect(await Array.fromAsync(tree.walk())).toEqual([stat]);
      });

      it('makes an empty file of no bytes at all', async () => {
        expect((await write('empty', '')).sizeBytes).toBe(0);
        expect(await textOf('empty')).toBe('');
      });

      it('keeps the time and the permissions it is given', async () => {
        const mtimeNs = 1_718_000_000_123_456_789n;
        const stat = await write('a', 'x', { mtimeNs, mode: 0o640 });
        expect(stat.mode).toBe(0o640);
        // Node sets times as a double of seconds.
        expect(Math.abs(Number(stat.mtimeNs - mtimeNs))).toBeLessThan(1000);
        expect(await tree.stat('a')).toEqual(stat);
      });

      it.each([-86_400_000_000_000n, 2n ** 80n, -(2n ** 80n)])('takes any time, even %d', async (mtimeNs) => {
        expect(await write('a', 'x', { mtimeNs })).toMatchObject({ sizeBytes: 1 });
        expect(await textOf('a')).toBe('x');
      });

      it('honours no set-user-id bit, and lets the owner read whatever the mode says', async () => {
        expect((await write('a', 'x', { mode: 0o6755 })).mode).toBe(0o755);
        expect((await write('b', 'x', { mode: 0 })).mode).toBe(0o400);
        expect(await textOf('b')).toBe('x');
      });

      it('replaces a file, and keeps its permissions when none are given', async () => {
        await write('a', 'the old content', { mode: 0o600 });
        const stat = await write('a', 'new');
        expect(stat).toMatchObject({ sizeBytes: 3, mode: 0o600 });
        expect(await textOf('a')).toBe('new');
        expect(await paths()).toEqual(['a']);
      });

      it('shows the old file until the new one is complete', async () => {
        await write('a', 'old');
        const seen: string[] = [];
        await tree.write(
          'a',
          (async function* () {
            for (const piece of ['ne', 'w']) {
              seen.push(await textOf('a'), ...(await paths()));
              yield text(piece);
            }
          })(),
          {},
        );
        expect(seen).toEqual(['old', 'a', 'old', 'a']);
        expect(await textOf('a')).toBe('new');
      });

      it('leaves no trace when its content fails', async () => {
        await write('a', 'old');
        const failing = (async function* () {
          yield text('new');
          throw new Error('the link went down');
        })();
        await expect(tree.write('a', failing, {})).rejects.toThrow('the link went down');
        expect(await textOf('a')).toBe('old');
        expect(await paths()).toEqual(['a']);
      });

      it('leaves a reader what it had opened', async () => {
        await write('a', 'old');
        const reader = await tree.open('a');
        await write('a', 'new and longer');
        expect(await reader.read(0, 100)).toEqual(text('old'));
        await reader.close();
      });

      it('leaves the content’s arrays to their owner', async () => {
        const shared = new Uint8Array(4);
        await tree.write(
          'a',
          (async function* () {
            for (const byte of [1, 2, 3]) {
              shared.fill(byte);
              yield shared;
            }
            shared.fill(9);
          })(),
          {},
        );
        expect(await contentOf('a')).toEqual(Uint8Array.of(1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
      });

      it('of one file from several sides ends in one of the contents', async () => {
        const contents = ['first'.repeat(50_000), 'second'.repeat(50_000), 'third'.repeat(50_000)];
        await Promise.all(contents.map((content) => write('deep/down/a', content)));
        expect(contents).toContain(await textOf('deep/down/a'));
        expect(await paths()).toEqual(['deep/down/a']);
      });

      it('and removing in one directory at the same time disturb each other in nothing', async () => {
        for (let round = 0; round < 5; round++) {
          await write('d/e/old');
          await Promise.all([tree.remove('d/e/old'), write('d/e/new'), write('d/other')]);
          expect(await paths()).toEqual(['d/e/new', 'd/other']);
          await Promise.all([tree.remove('d/e/new'), tree.remove('d/other')]);
          expect(await paths()).toEqual([]);
        }
      });
    });

    describe('a part', () => {
      const partOf = async (path: string, ...writes: readonly (readonly [number, string])[]): Promise<string> => {
        const part = await tree.beginPart(path);
        for (const [offset, bytes] of writes) await part.write(offset, text(bytes));
        await part.sync();
        await part.close();
        return part.path;
      };

      it('is filled in any order, read while nobody sees it, and put in its place with time and permissions', async () => {
        const part = await partOf('site/june.dat', [4, 'the end'], [0, 'once']);
        expect(await paths()).toEqual([]);
        expect(await textOf(part)).toBe('oncethe end');
        const again = await tree.openPart(part);
        await again?.write(4, text('THE'));
        await again?.close();
        const mtimeNs = 1_718_000_000_000_000_000n;
        const stat = await tree.placePart(part, 'site/june.dat', { mtimeNs, mode: 0o640 });
        expect(stat).toMatchObject({ path: 'site/june.dat', sizeBytes: 11, mode: 0o640, mtimeNs });
        expect(await tree.stat('site/june.dat')).toEqual(stat);
        expect(await textOf('site/june.dat')).toBe('onceTHE end');
        expect(await paths()).toEqual(['site/june.dat']);
        expect(await tree.openPart(part).catch(() => undefined)).toBeUndefined();
      });

      it('may be put elsewhere, and replaces what stands there only if it may', async () => {
        await write('other/place', 'old');
        const part = await partOf('here/first', [0, 'new']);
        expect(await codeOf(tree.placePart(part, 'other/place', {}, () => false))).toBe('FILE_CHANGED');
        expect(await textOf('other/place')).toBe('old');
        expect(await textOf(part)).toBe('new');
        await tree.placePart(part, 'other/place', {}, (standing) => standing?.sizeBytes === 3);
        expect(await textOf('other/place')).toBe('new');
      });

      it('that nobody may write to, and was refused its place, may be filled further and put there later', async () => {
        await write('taken', 'old');
        const part = await partOf('taken', [0, 'new']);
        expect(await codeOf(tree.placePart(part, 'taken', { mode: 0o444 }, () => false))).toBe('FILE_CHANGED');
        const again = await tree.openPart(part);
        await again?.write(3, text('er'));
        await again?.close();
        expect((await tree.placePart(part, 'taken', { mode: 0o444 })).mode).toBe(0o444);
        expect(await textOf('taken')).toBe('newer');
      });

      it('outlives its process where it is claimed, and goes with the first walk where it is not', async () => {
        const [kept, left] = [await partOf('a/kept', [0, 'kept']), await partOf('a/left', [0, 'left'])];
        await subject.reopen();
        tree = subject.tree;
        tree.claimPart(kept);
        expect(await paths()).toEqual([]);
        tree.claimPart(left);
        expect(await tree.openPart(left)).toBeUndefined();
        expect(await textOf(kept)).toBe('kept');
        await tree.placePart(kept, 'a/kept', {});
        expect(await textOf('a/kept')).toBe('kept');
      });

      it('that is gone is missing, and is removed without complaint', async () => {
        const part = await partOf('a/b', [0, 'x']);
        await tree.removePart(part);
        await write('a/c');
        tree.claimPart(part);
        expect(await tree.openPart(part)).toBeUndefined();
        expect(await codeOf(tree.placePart(part, 'a/b', {}))).toBe('FILE_MISSING');
        expect(await codeOf(tree.open(part))).toBe('FILE_MISSING');
        await tree.removePart(part);
        expect(await paths()).toEqual(['a/c']);
      });

      it('needs a path that a file could have', async () => {
        await write('file');
        expect(await codeOf(tree.beginPart('../a'))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.beginPart('file/below'))).toBe('PATH_OCCUPIED');
      });
    });

    describe('reading', () => {
      it('gives the bytes asked for, fewer at the end, none behind it', async () => {
        await write('a', '0123456789');
        const reader = await tree.open('a');
        expect(await reader.read(3, 4)).toEqual(text('3456'));
        expect(await reader.read(8, 100)).toEqual(text('89'));
        expect(await reader.read(10, 5)).toEqual(new Uint8Array());
        expect(await reader.read(1000, 5)).toEqual(new Uint8Array());
        expect(await reader.stat()).toEqual(await tree.stat('a'));
        await reader.close();
      });

      it('gives arrays of the caller’s own', async () => {
        await write('a', 'abc');
        const reader = await tree.open('a');
        (await reader.read(0, 3)).fill(0);
        expect(await reader.read(0, 3)).toEqual(text('abc'));
        await reader.close();
      });

      it('is refused for what is no file', async () => {
        await write('directory/file');
        await tree.link('link', 'directory/file');
        expect(await codeOf(tree.open('directory'))).toBe('NOT_A_FILE');
        expect(await codeOf(tree.open('link'))).toBe('NOT_A_FILE');
        expect(await codeOf(tree.open('directory/file/below'))).toBe('FILE_MISSING');
        expect(await tree.stat('directory')).toBeUndefined();
        expect(await tree.stat('directory/file/below')).toBeUndefined();
      });
    });

    describe('walking', () => {
      it('goes depth first in code-unit order of names', async () => {
        const inOrder = ['A', 'Z/1', 'a/b', 'a/c/d', 'a/c.txt', 'a-', 'a.txt', 'aa', 'b', 'ä', '𝄞', '～'];
        for (const path of [...inOrder].reverse()) await write(path);
        expect(await paths()).toEqual(inOrder);
      });

      it('lists a directory of many files once each', async () => {
        const inOrder = Array.from({ length: 150 }, (_, i) => `many/${String(i).padStart(3, '0')}`);
        await Promise.all(inOrder.map((path) => write(path, 'x')));
        expect(await paths()).toEqual(inOrder);
      });

      it('finds the same stat again while nothing changes, and another once something has', async () => {
        await write('a');
        const [first] = await Array.fromAsync(tree.walk());
        const [again] = await Array.fromAsync(tree.walk());
        expect(again).toEqual(first);
        await write('a', 'A', { mtimeNs: first!.kind === 'file' ? first!.mtimeNs : 0n });
        const [changed] = await Array.fromAsync(tree.walk());
        expect(changed).not.toEqual(first);
      });
    });

    describe('a symbolic link', () => {
      it('is recorded with its target and never followed', async () => {
        await write('file');
        const stat = await tree.link('where/link', '../file');
        expect(stat).toMatchObject({ path: 'where/link', kind: 'symlink', target: '../file', sizeBytes: 7 });
        expect(await tree.stat('where/link')).toEqual(stat);
        expect(await Array.fromAsync(tree.walk())).toEqual([await tree.stat('file'), stat]);
      });

      it('may lead to nothing, or to outside, in any alphabet', async () => {
        expect(await tree.link('a', 'nirgendwo/ß𝄞')).toMatchObject({ target: 'nirgendwo/ß𝄞', sizeBytes: 16 });
        expect(await tree.link('a', '/etc')).toMatchObject({ target: '/etc' });
        expect(await paths()).toEqual(['a']);
      });

      it('is replaced by a file, and a file by it, while its target stays as it was', async () => {
        await write('target', 'untouched');
        await tree.link('a', 'target');
        expect(await write('a', 'a file now')).toMatchObject({ kind: 'file' });
        expect(await textOf('target')).toBe('untouched');
        expect(await tree.link('a', 'target')).toMatchObject({ kind: 'symlink' });
        await tree.remove('a');
        expect(await textOf('target')).toBe('untouched');
      });

      it('to a directory is no way into it', async () => {
        await write('directory/file', 'untouched');
        await tree.link('link', 'directory');
        await tree.link('loop', 'loop');
        const before = await Array.fromAsync(tree.walk());
        const refusals = [
          tree.stat('link/file'),
          tree.open('link/file'),
          write('link/file', 'changed'),
          write('link/new'),
          write('link/new/deeper'),
          tree.link('link/new', 'x'),
          tree.rename('link/file', 'file'),
          tree.rename('directory/file', 'link/new'),
          tree.remove('link/file'),
          write('loop/new'),
        ];
        for (const code of await Promise.all(refusals.map(codeOf))) expect(code).toBe('PATH_REFUSED');
        expect(await Array.fromAsync(tree.walk())).toEqual(before);
      });

      it('to nothing is no way either, and makes nothing', async () => {
        await tree.link('dangling', 'not-there');
        for (const path of ['dangling/file', 'dangling/a/file']) {
          expect(await codeOf(write(path))).toBe('PATH_REFUSED');
        }
        expect(await paths()).toEqual(['dangling']);
      });
    });

    describe('a path', () => {
      const outside = [
        '',
        '/',
        '/etc/passwd',
        '..',
        '../a',
        'a/../../b',
        'a/..',
        '.',
        './a',
        'a//b',
        'a/',
        'a\0b',
        '\ud800',
        `${'x/'.repeat(2100)}x`,
      ];

      it.each(outside.map((path) => [path.slice(0, 20), path]))('that could leave the root is refused: %j', async (_, path) => {
        await write('inside');
        expect(await codeOf(tree.stat(path))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.open(path))).toBe('PATH_REFUSED');
        expect(await codeOf(write(path, 'x'))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.link(path, 'x'))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.rename(path, 'elsewhere'))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.rename('inside', path))).toBe('PATH_REFUSED');
        expect(await codeOf(tree.remove(path))).toBe('PATH_REFUSED');
        expect(await paths()).toEqual(['inside']);
      });

      it('may hold dots, spaces and any script', async () => {
        const odd = ['..a', '...', 'a b', '-rf', '~', 'Grüße.txt', '測定/觀測', '\u0065\u0301', '\u00e9', 'a\\b', '.hidden'];
        for (const path of odd) await write(path, path);
        for (const path of odd) expect(await textOf(path)).toBe(path);
        expect((await paths()).sort()).toEqual([...odd].sort());
      });

      it('that a directory has is not for a file, nor the other way round', async () => {
        await write('directory/file', 'untouched');
        const refusals = [
          write('directory'),
          tree.link('directory', 'x'),
          tree.remove('directory'),
          write('directory/file/below'),
          write('directory/file/far/below'),
          tree.link('directory/file/below', 'x'),
          tree.rename('directory/file', 'directory/file/below'),
          write('other').then(() => tree.rename('other', 'directory')),
        ];
        for (const code of await Promise.all(refusals.map(codeOf))) expect(code).toBe('PATH_OCCUPIED');
        expect(await paths()).toEqual(['directory/file', 'other']);
        expect(await textOf('directory/file')).toBe('untouched');
      });
    });

    describe('renaming', () => {
      it('moves a file with all that belongs to it, and the emptied directories go', async () => {
        const before = await write('old/place/a', 'content', { mode: 0o600, mtimeNs: 1_000_000_000_000_000_000n });
        await tree.rename('old/place/a', 'new/place/b');
        const { sizeBytes, mtimeNs, inode, mode } = before;
        expect(await tree.stat('new/place/b')).toMatchObject({ sizeBytes, mtimeNs, inode, mode });
        expect(await paths()).toEqual(['new/place/b']);
        await write('old', 'the name is free');
      });

      it('replaces what stands there, and moves links as links', async () => {
        await write('a', 'A');
        await tree.link('b', 'a');
        await tree.rename('b', 'a');
        expect(await tree.stat('a')).toMatchObject({ kind: 'symlink', target: 'a' });
        expect(await paths()).toEqual(['a']);
      });

      it('to its own name changes nothing', async () => {
        await write('d/a', 'A');
        await tree.rename('d/a', 'd/a');
        expect(await textOf('d/a')).toBe('A');
      });

      it('is refused for nothing and for a directory', async () => {
        await write('directory/file');
        expect(await codeOf(tree.rename('nothing', 'x'))).toBe('FILE_MISSING');
        expect(await codeOf(tree.rename('directory/file/below', 'x'))).toBe('FILE_MISSING');
        expect(await codeOf(tree.rename('directory', 'x'))).toBe('NOT_A_FILE');
        expect(await paths()).toEqual(['directory/file']);
      });
    });

    describe('removing', () => {
      it('takes a file and the directories that became empty, and no other', async () => {
        await write('a/b/c/file');
        await write('a/other');
        await tree.remove('a/b/c/file');
        expect(await paths()).toEqual(['a/other']);
        await write('a/b', 'the name is free');
      });

      it('of what is gone is no error', async () => {
        await write('file');
        await tree.remove('nothing');
        await tree.remove('no/such/directory');
        await tree.remove('file/below');
        await tree.remove(`${'long'.repeat(100)}/file`);
        expect(await paths()).toEqual(['file']);
      });
    });

    it('is found as it was left when it is opened again', async () => {
      await write('a/b', 'content', { mode: 0o640 });
      await tree.link('l', 'a/b');
      const before = await Array.fromAsync(tree.walk());
      await subject.reopen();
      tree = subject.tree;
      expect(await Array.fromAsync(tree.walk())).toEqual(before);
      expect(await textOf('a/b')).toBe('content');
    });

    it('is what a plain list of files says, after any sequence of operations', async () => {
      const path = fc.constantFrom('a', 'b', 'a/a', 'a/b', 'b/a/a', 'c/d', 'c/d/e');
      const operation = fc.oneof(
        fc.record({ kind: fc.constant('write' as const), path, content: fc.string({ maxLength: 5 }) }),
        fc.record({ kind: fc.constant('link' as const), path, content: fc.constant('target') }),
        fc.record({ kind: fc.constant('rename' as const), path, to: path }),
        fc.record({ kind: fc.constant('remove' as const), path }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 20 }), async (operations) => {
          const run = await create();
          try {
            const model = new Map<string, string>();
            const above = (p: string) => [...model.keys()].filter((other) => p.startsWith(`${other}/`));
            const below = (p: string) => [...model.keys()].some((other) => other.startsWith(`${p}/`));
            const throughLink = (p: string) => above(p).some((other) => model.get(other) === '-> target');
            const isTaken = (p: string) => below(p) || above(p).length > 0;
            for (const step of operations) {
              let expected: string | undefined;
              let done: Promise<unknown>;
              if (throughLink(step.path)) expected = 'PATH_REFUSED';
              switch (step.kind) {
                case 'write':
                case 'link':
                  if (expected === undefined && isTaken(step.path)) expected = 'PATH_OCCUPIED';
                  if (expected === undefined) model.set(step.path, step.kind === 'link' ? '-> target' : step.content);
                  done =
                    step.kind === 'link'
                      ? run.tree.link(step.path, 'target')
                      : run.tree.write(step.path, inPieces(text(step.content), 2), {});
                  break;
                case 'rename': {
                  const content = model.get(step.path);
                  if (expected === undefined && below(step.path)) expected = 'NOT_A_FILE';
                  else if (expected === undefined && content === undefined) expected = 'FILE_MISSING';
                  else if (expected === undefined && throughLink(step.to)) expected = 'PATH_REFUSED';
                  else if (expected === undefined && isTaken(step.to)) expected = 'PATH_OCCUPIED';
                  if (expected === undefined) {
                    model.delete(step.path);
                    model.set(step.to, content!);
                  }
                  done = run.tree.rename(step.path, step.to);
                  break;
                }
                case 'remove':
                  if (expected === undefined && below(step.path)) expected = 'PATH_OCCUPIED';
                  if (expected === undefined) model.delete(step.path);
                  done = run.tree.remove(step.path);
              }
              expect(await codeOf(done), JSON.stringify(step)).toBe(expected);
            }
            const found = new Map<string, string>();
            for await (const entry of run.tree.walk()) {
              if (entry.kind === 'symlink') found.set(entry.path, `-> ${entry.target}`);
              else {
                const reader = await run.tree.open(entry.path);
                found.set(entry.path, new TextDecoder('utf-8', { ignoreBOM: true }).decode(await reader.read(0, 100)));
                await reader.close();
              }
            }
            expect(Object.fromEntries(found)).toEqual(Object.fromEntries([...model].map(([p, c]) => [p, c])));
          } finally {
            await run.dispose();
          }
        }),
        { numRuns: 60, seed: 11 },
      );
    });
  });
}
