import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GodwitError } from '../../src/core/errors.ts';
import type { Catalog, SqlValue } from '../../src/ports/catalog.ts';

/** The code of the GodwitError that `work` throws, or `undefined` when it throws none. */
function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as GodwitError).code;
  }
  return undefined;
}

const items = { component: 'items', steps: ['CREATE TABLE items (id INTEGER PRIMARY KEY, value ANY) STRICT'] };

/** What every Catalog must do. `open` gives a new, empty one. */
export function catalogContract(name: string, open: () => Catalog): void {
  describe(`the catalog contract: ${name}`, () => {
    let catalog: Catalog;
    const ids = () => catalog.all<{ id: number }>('SELECT id FROM items ORDER BY id').map(({ id }) => id);
    const add = (id: number, value: SqlValue = null) => catalog.run('INSERT INTO items (id, value) VALUES (?, ?)', id, value);

    beforeEach(() => {
      catalog = open();
      catalog.migrate(items);
    });
    afterEach(() => catalog.close());

    describe('values', () => {
      const values: readonly SqlValue[] = [
        null,
        0,
        -1,
        Number.MAX_SAFE_INTEGER,
        Number.MIN_SAFE_INTEGER,
        2n ** 53n,
        -(2n ** 63n),
        2n ** 63n - 1n,
        0.1,
        -1e300,
        '',
        'Fluß\u0000 𝄞',
        new Uint8Array(),
        Uint8Array.of(0, 255, 128),
      ];

      it.each(values.map((value) => [typeof value, value]))('come back as they were stored: %s %s', (_, value) => {
        add(1, value as SqlValue);
        const row = catalog.get<{ value: SqlValue }>('SELECT value FROM items WHERE id = 1');
        expect(row?.value).toEqual(value);
        if (value instanceof Uint8Array) expect(Object.getPrototypeOf(row?.value)).toBe(Uint8Array.prototype);
      });

      it('come back as numbers when they are safe integers, however they were given', () => {
        add(1, 7n);
        expect(catalog.all('SELECT value FROM items')).toEqual([{ value: 7 }]);
      });

      it('keep integers integers inside SQL', () => {
        expect(catalog.get('SELECT typeof(?1) AS type, ?1 / 2 AS half', 5)).toEqual({ type: 'integer', half: 2 });
      });

      it('are the caller’s own arrays', () => {
        add(1, Uint8Array.of(1, 2, 3));
        const read = () => catalog.get<{ value: Uint8Array }>('SELECT value FROM items')?.value;
        read()?.fill(9);
        expect(read()).toEqual(Uint8Array.of(1, 2, 3));
      });
    });

    describe('statements', () => {
      it('tell how many rows they changed', () => {
        for (const id of [1, 2, 3]) expect(add(id)).toBe(1);
        expect(catalog.run('UPDATE items SET value = 1 WHERE id > 1')).toBe(2);
        expect(catalog.run('DELETE FROM items WHERE id > 9')).toBe(0);
      });

      it('find no row as undefined', () => {
        expect(catalog.get('SELECT * FROM items')).toBeUndefined();
        expect(catalog.all('SELECT * FROM items')).toEqual([]);
        expect([...catalog.iterate('SELECT * FROM items')]).toEqual([]);
      });

      it('give their rows one by one', () => {
        for (const id of [1, 2, 3]) add(id);
        const seen: number[] = [];
        for (const { id } of catalog.iterate<{ id: number }>('SELECT id FROM items WHERE id >= ? ORDER BY id', 2)) seen.push(id);
        expect(seen).toEqual([2, 3]);
      });

      it('can be iterated within their own iteration', () => {
        for (const id of [1, 2]) add(id);
        const sql = 'SELECT id FROM items ORDER BY id';
        const pairs: number[][] = [];
        for (const outer of catalog.iterate<{ id: number }>(sql)) {
          for (const inner of catalog.iterate<{ id: number }>(sql)) pairs.push([outer.id, inner.id]);
          expect(ids()).toEqual([1, 2]);
        }
        expect(pairs).toEqual([
          [1, 1],
          [1, 2],
          [2, 1],
          [2, 2],
        ]);
      });

      it('refuse to write while an iteration is open, and write again when it is left', () => {
        for (const id of [1, 2]) add(id);
        for (const _ of catalog.iterate('SELECT id FROM items')) {
          expect(() => add(3)).toThrow('iteration');
          expect(() => catalog.migrate(items)).toThrow('iteration');
          break;
        }
        add(3);
        expect(ids()).toEqual([1, 2, 3]);
      });

      it('are refused with the database’s own words when they are wrong', () => {
        expect(() => catalog.get('SELECT nonsense FROM items')).toThrow('nonsense');
        expect(() => catalog.iterate('SELECT nonsense FROM items').next()).toThrow('nonsense');
      });

      it('violate no constraint, foreign keys included', () => {
        catalog.migrate({ component: 'notes', steps: ['CREATE TABLE notes (item INTEGER REFERENCES items (id)) STRICT'] });
        add(1);
        expect(() => add(1)).toThrow('UNIQUE');
        expect(() => catalog.run('INSERT INTO notes VALUES (2)')).toThrow('FOREIGN KEY');
      });
    });

    describe('a transaction', () => {
      it('returns what its work returns', () => {
        expect(catalog.transaction(() => add(1) + 41)).toBe(42);
        expect(ids()).toEqual([1]);
      });

      it('is undone when its work throws, and lets the error through', () => {
        const reason = new Error('no');
        expect(() =>
          catalog.transaction(() => {
            add(1);
            throw reason;
          }),
        ).toThrow(reason);
        expect(ids()).toEqual([]);
        add(2);
        expect(ids()).toEqual([2]);
      });

      it('goes on after a violated constraint that its work caught', () => {
        catalog.transaction(() => {
          add(1);
          expect(() => add(1)).toThrow();
          add(2);
        });
        expect(ids()).toEqual([1, 2]);
      });

      it('joins the one around it, and undoes only its own part when it throws', () => {
        catalog.transaction(() => {
          add(1);
          catalog.transaction(() => {
            add(2);
            expect(() =>
              catalog.transaction(() => {
                add(3);
                throw new Error('inner');
              }),
            ).toThrow('inner');
          });
          expect(() =>
            catalog.transaction(() => {
              catalog.transaction(() => add(4));
              throw new Error('outer of the inner');
            }),
          ).toThrow();
        });
        expect(ids()).toEqual([1, 2]);
      });

      it('takes the inner ones with it when it throws', () => {
        expect(() =>
          catalog.transaction(() => {
            catalog.transaction(() => add(1));
            throw new Error('outer');
          }),
        ).toThrow('outer');
        expect(ids()).toEqual([]);
      });

      it('refuses asynchronous work and undoes it', () => {
        expect(() => catalog.transaction(async () => add(1))).toThrow('asynchronous');
        expect(ids()).toEqual([]);
      });
    });

    describe('migration', () => {
      const first = "CREATE TABLE places (name TEXT) STRICT; INSERT INTO places VALUES ('hut')";
      const second = 'ALTER TABLE places ADD COLUMN height REAL';

      it('applies each step once, in order', () => {
        catalog.migrate({ component: 'places', steps: [first] });
        catalog.migrate({ component: 'places', steps: [first] });
        catalog.migrate({ component: 'places', steps: [first, second] });
        catalog.migrate({ component: 'places', steps: [first, second] });
        expect(catalog.all('SELECT * FROM places')).toEqual([{ name: 'hut', height: null }]);
      });

      it('keeps components apart', () => {
        catalog.migrate({ component: 'places', steps: [first] });
        catalog.migrate({ component: 'other', steps: ['CREATE TABLE other (x) '] });
        expect(catalog.get('SELECT * FROM other')).toBeUndefined();
      });

      it('applies no step when a later one fails', () => {
        expect(() => catalog.migrate({ component: 'places', steps: [first, 'CREATE nonsense'] })).toThrow('nonsense');
        expect(() => catalog.all('SELECT * FROM places')).toThrow('no such table');
        catalog.migrate({ component: 'places', steps: [first, second] });
      });

      it('refuses tables of a newer version and leaves them alone', () => {
        catalog.migrate({ component: 'places', steps: [first, second] });
        expect(codeOf(() => catalog.migrate({ component: 'places', steps: [first] }))).toBe('CATALOG_NEWER');
        expect(catalog.all('SELECT * FROM places')).toEqual([{ name: 'hut', height: null }]);
      });
    });

    it('can be closed twice', () => {
      catalog.close();
      catalog.close();
      expect(() => ids()).toThrow();
    });
  });
}
