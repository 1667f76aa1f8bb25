import { identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/** A member with whom a session is to be kept over circuits, because somebody asked for it. */
export interface KeptCircuit {
  readonly member: NodeId;
  /** The member that it leads by way of, whatever the routes. */
  readonly via: NodeId | undefined;
}

const schema: Schema = {
  component: 'kept-circuits',
  steps: ['CREATE TABLE kept_circuit (member BLOB PRIMARY KEY, via BLOB) STRICT, WITHOUT ROWID;'],
};

/** The circuits that are to be kept, over restarts too. Synchronous; part of the caller's transaction. */
export class KeptCircuits {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(schema);
  }

  list(): KeptCircuit[] {
    return this.#catalog.all<{ member: Uint8Array; via: Uint8Array | null }>('SELECT member, via FROM kept_circuit').map((row) => ({
      member: identifier<NodeId>(row.member),
      via: row.via === null ? undefined : identifier<NodeId>(row.via),
    }));
  }

  /** Adds one, in place of another with the same member. */
  add({ member, via }: KeptCircuit): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO kept_circuit (member, via) VALUES (?, ?)',
      identifierToBytes(member),
      via === undefined ? null : identifierToBytes(via),
    );
  }

  remove(member: NodeId): void {
    this.#catalog.run('DELETE FROM kept_circuit WHERE member = ?', identifierToBytes(member));
  }
}
