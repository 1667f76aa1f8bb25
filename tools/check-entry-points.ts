import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { requiredPackages } from './required-packages.ts';
import { runToEnd } from './run-program.ts';

/**
 * Imports everything as its users will: the package from the tarball that would be published, beside the packages it declares and no others, and every module of `src` as Node runs it without a
 * compiler (what only a compiler understands, such as an enum, passes in every other check).
 */

const root = fileURLToPath(new URL('../', import.meta.url));
const consumer = mkdtempSync(join(tmpdir(), 'godwit-consumer-'));
const problems: string[] = [];

/** Runs Node on the parameters and notes a problem when it ends otherwise than expected. */
function expectOfNode(what: string, status: number, ...parameters: readonly string[]): void {
  const ended = runToEnd(consumer, process.execPath, ...parameters);
  if (ended.status !== status) problems.push(`${what} ended with ${ended.status}, not ${status}:\n${ended.output}${ended.errors}`);
}

function unpack(): string {
  const packed = runToEnd(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', consumer);
  if (packed.status !== 0) throw new Error(`npm pack ended with ${packed.status}\n${packed.errors}`);
  const [{ filename }] = JSON.parse(packed.output) as [{ filename: string }];
  const place = join(consumer, 'node_modules/godwit');
  mkdirSync(place, { recursive: true });
  const unpacked = runToEnd(consumer, 'tar', '-xzf', join(consumer, filename), '-C', place, '--strip-components=1');
  if (unpacked.status !== 0) throw new Error(`tar ended with ${unpacked.status}\n${unpacked.errors}`);
  return place;
}

/** Copies rather than links: a linked package would find everything else that is installed here. */
function addDependencies(): void {
  for (const { place } of requiredPackages(root)) cpSync(join(root, place), join(consumer, place), { recursive: true });
}

function importEntries(place: string): number {
  const { exports } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
  const modules = Object.entries(exports).filter(([, target]) => typeof target === 'object');
  const names = modules.map(([subpath]) => `godwit${subpath.slice(1)}`);
  for (const name of names) expectOfNode(`import '${name}'`, 0, '--input-type=module', '--eval', `await import('${name}')`);

  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(consumer, 'consumer.ts'), names.map((name, i) => `export * as entry${i} from '${name}';\n`).join(''));
  const compiler = [
    '--strict',
    '--noEmit',
    '--target',
    'esnext',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--typeRoots',
    join(root, 'node_modules/@types'),
  ];
  expectOfNode('compiling against the declarations', 0, join(root, 'node_modules/typescript/bin/tsc'), ...compiler, 'consumer.ts');
  return names.length;
}

try {
  const place = unpack();
  addDependencies();
  const entries = importEntries(place);
  // Without parameters the program says how it is called. To say so it has to load everything.
  const usage = 2;
  const program = join(place, 'dist/agent/main.js');
  expectOfNode('the packed program', usage, program);
  expectOfNode('src/agent/main.ts', usage, join(root, 'src/agent/main.ts'));

  const modules = globSync('src/**/*.ts', { cwd: root }).filter(
    (path) => !path.endsWith('.d.ts') && path !== join('src', 'agent', 'main.ts'),
  );
  const imports = modules.map((path) => `await import(${JSON.stringify(pathToFileURL(join(root, path)).href)});`).join('\n');
  expectOfNode('importing the modules of src', 0, '--input-type=module', '--eval', imports);
  console.log(`${entries} entry points of the package, the program and ${modules.length} modules of src imported`);
} finally {
  rmSync(consumer, { recursive: true, force: true });
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
