import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import type { FieldNode, FieldNodeEvent } from '../../../src/node/field-node.ts';
import { openNode } from '../../../src/open-node.ts';

const nodes: FieldNode[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** A path below a directory that is removed after the test; its parents exist. */
export function temporaryPath(...names: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-agent-'));
  directories.push(directory);
  const path = join(directory, ...names);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

/** A directory that is removed after the test. */
export function temporaryDirectory(): string {
  return dirname(temporaryPath('file'));
}

/** A new node on this computer. It is closed after the test, unless `closesItself`. */
export async function temporaryNode(name: string, options: { readonly closesItself?: boolean } = {}): Promise<FieldNode> {
  const node = await openNode({ directory: temporaryPath('node'), name });
  if (options.closesItself !== true) nodes.push(node);
  return node;
}

/** Resolves at the next event that fits. */
export function nextEvent(node: FieldNode, fits: (event: FieldNodeEvent) => boolean): Promise<FieldNodeEvent> {
  return new Promise((resolve) => {
    const stop = node.onEvent((event) => {
      if (!fits(event)) return;
      stop();
      resolve(event);
    });
  });
}
