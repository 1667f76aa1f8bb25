import { isBuiltin } from 'node:module';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { type SourceModule, sourceModules } from './source-modules.ts';

/** Only these drive Node; everywhere else time is a parameter, randomness a seeded generator, and nothing asks the world. */
const impurePlaces = ['runtime/', 'agent/', 'open-node.ts'];

/** Names of the surroundings, or of the ways to them. */
const worldlyNames = new Set(
  [
    'Date',
    'performance',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
    'process',
    'Buffer',
    'NodeJS',
    'console',
    'fetch',
    'require',
  ].concat(['WebSocket', 'Worker', 'navigator', 'globalThis', 'eval', '__dirname', '__filename']),
);
const worldlyMembers = new Set([
  'Math.random',
  'Temporal.Now',
  'crypto.getRandomValues',
  'crypto.randomUUID',
  'crypto.subtle',
  'import.meta',
]);

/** What a module takes from the world, each with its line. A name that the module declares itself is its own. */
function worldlyUses(modules: readonly SourceModule[]): string[] {
  const textByPath = new Map(modules.map(({ path, text }) => [path, text]));
  // Without a library every name that nothing declares is a global, whatever it is called inside a function elsewhere.
  const options: ts.CompilerOptions = {
    noLib: true,
    noResolve: true,
    types: [],
    target: ts.ScriptTarget.Latest,
    module: ts.ModuleKind.NodeNext,
  };
  const host: ts.CompilerHost = {
    ...ts.createCompilerHost(options),
    getSourceFile: (path, version) => {
      const text = textByPath.get(path);
      return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
    },
    fileExists: (path) => textByPath.has(path),
    getCurrentDirectory: () => '',
  };
  const program = ts.createProgram([...textByPath.keys()], options, host);
  const checker = program.getTypeChecker();
  const found: string[] = [];

  for (const path of textByPath.keys()) {
    const file = program.getSourceFile(path);
    if (file === undefined) throw new Error(`${path} was not parsed`);
    const note = (node: ts.Node) =>
      found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1} ${node.getText(file)}`);
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteral(node) && isSpecifier(node) && isBuiltin(node.text)) note(node);
      if ((ts.isPropertyAccessExpression(node) || ts.isMetaProperty(node)) && worldlyMembers.has(node.getText(file))) note(node);
      if (ts.isIdentifier(node) && worldlyNames.has(node.text) && !isLabel(node) && !isDeclared(node, checker)) note(node);
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

/** The name of a module in an import, an export or an `import()`. */
function isSpecifier({ parent }: ts.StringLiteral): boolean {
  return (
    ts.isImportDeclaration(parent) ||
    ts.isExportDeclaration(parent) ||
    (ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword)
  );
}

/** True when the name stands for something that these modules declare. */
function isDeclared(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  const isShorthand = ts.isShorthandPropertyAssignment(node.parent);
  const symbol = isShorthand ? checker.getShorthandAssignmentValueSymbol(node.parent) : checker.getSymbolAtLocation(node);
  // `globalThis` has a symbol, but nobody declared it.
  return (symbol?.declarations ?? []).length > 0;
}

/** A name behind a dot or before a colon, which says nothing about where the value comes from. */
function isLabel(node: ts.Identifier): boolean {
  const { parent } = node;
  return (ts.isPropertyAccessExpression(parent) && parent.name === node) || (ts.isPropertyAssignment(parent) && parent.name === node);
}

describe('Pure code', () => {
  test('takes nothing from the world it runs in', () => {
    const pure = sourceModules().filter(({ path }) => !impurePlaces.some((place) => path.startsWith(place)));
    expect(pure.length).toBeGreaterThan(100);
    expect(worldlyUses(pure)).toEqual([]);
  });

  test.each([
    ['the date', 'export const now = Date.now();'],
    ['the date as a type', 'export const year = (date: Date) => date;'],
    ['the date by another way', 'export const now = Temporal.Now.instant();'],
    ['chance', 'export const dice = () => Math.random();'],
    ['a timer', 'export const soon = () => setTimeout(() => {}, 1);'],
    ['a timer as a value', 'export const timers = { setTimeout };'],
    ['the process', 'export const home = process.env;'],
    ['the console', "console.log('here');"],
    ['everything global', "export const time = globalThis['Date'];"],
    ['a module of Node', "import { join } from 'node:path';\nexport { join };"],
    ['a module of Node without the prefix', "export { join } from 'path';"],
    ['a module of Node when needed', "export const load = () => import('node:fs');"],
  ])('is told from code that asks for %s', (_, text) => {
    expect(worldlyUses([{ path: 'sample.ts', text }])).not.toEqual([]);
  });

  test('may give its own things such names', () => {
    const text =
      'interface Held { process: number }\nexport const held = (process: Held, Date: number) => ({ process: process.process, fetch: Date });';
    expect(worldlyUses([{ path: 'sample.ts', text }])).toEqual([]);
  });
});
