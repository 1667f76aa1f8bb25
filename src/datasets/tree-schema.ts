import type { Schema } from '../ports/catalog.ts';

/** The tables of files in working directories. */
export const workingTreeSchema: Schema = {
  component: 'tree',
  steps: [
    `CREATE TABLE tree_file (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       kind TEXT NOT NULL,
       size_bytes INTEGER NOT NULL,
       mtime_ns TEXT NOT NULL,
       ctime_ns TEXT NOT NULL,
       inode TEXT NOT NULL,
       mode INTEGER NOT NULL,
       root BLOB,
       depth INTEGER,
       target TEXT,
       dots TEXT NOT NULL,
       scan INTEGER NOT NULL,
       PRIMARY KEY (dataset, path)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tree_unsettled (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       since_ms INTEGER NOT NULL,
       scan INTEGER NOT NULL,
       PRIMARY KEY (dataset, path)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tree_scan (dataset BLOB PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
    // A scan remembers by itself what it saw: marking every file of an unchanged tree cost more than looking at it.
    `ALTER TABLE tree_file DROP COLUMN scan;
     ALTER TABLE tree_unsettled DROP COLUMN scan;
     DROP TABLE tree_scan;`,
  ],
};
