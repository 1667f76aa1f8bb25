import type { Schema } from '../ports/catalog.ts';

/** The tables of chunks, where they are, and contents. */
export const contentSchema: Schema = {
  component: 'content',
  steps: [
    `CREATE TABLE chunk (
       hash BLOB PRIMARY KEY,
       pack INTEGER NOT NULL,
       offset INTEGER NOT NULL,
       record_bytes INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX chunk_by_pack ON chunk (pack, offset);
     CREATE TABLE chunk_in_file (
       hash BLOB NOT NULL,
       tree TEXT NOT NULL,
       path TEXT NOT NULL,
       offset INTEGER NOT NULL,
       length_bytes INTEGER NOT NULL,
       PRIMARY KEY (hash, tree, path, offset)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX chunk_in_file_by_path ON chunk_in_file (tree, path);
     CREATE TABLE content (
       root BLOB PRIMARY KEY,
       size_bytes INTEGER NOT NULL,
       depth INTEGER NOT NULL,
       state TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX content_in_trouble ON content (state) WHERE state <> 'complete';
     CREATE TABLE content_in_file (
       tree TEXT NOT NULL,
       path TEXT NOT NULL,
       root BLOB NOT NULL,
       PRIMARY KEY (tree, path, root)
     ) STRICT, WITHOUT ROWID;`,
    // Openings of the store are counted, and a content knows in which it became complete: whoever puts one and names it afterwards does so within one. Of contents that are here already that is unknown.
    `ALTER TABLE content ADD COLUMN opening INTEGER;
     CREATE TABLE content_opening (number INTEGER) STRICT;
     INSERT INTO content_opening (number) VALUES (NULL);`,
  ],
};
