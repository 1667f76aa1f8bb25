import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';

/**
 * Finds the error codes in the program's own syntax tree.
 *
 * A code is a text of upper-case words that is handed to a call or a constructor, is the value or the type of a property or parameter called `code`, or names a line of a table of defects. That
 * takes in helpers of any name, so one that is added later is found too.
 */

const upperWords = /^[A-Z][A-Z0-9]+(_[A-Z0-9]+)*$/;

/** Calls that take codes of a single word too; elsewhere a single upper-case word is more likely a unit or a keyword of SQL. */
const codeTakers: ReadonlySet<string> = new Set(['failure', 'GodwitError', 'unusable']);

/** Methods that look for a text instead of saying it, in the names of a file's columns for one. */
const lookups: ReadonlySet<string> = new Set(['endsWith', 'get', 'has', 'includes', 'indexOf', 'startsWith']);

/** A code with every word on whose fault it is that stands beside it in the source. */
export type BlamesByCode = ReadonlyMap<string, ReadonlySet<string>>;

/** Every code below a folder of TypeScript files. */
export function codesBelow(folder: URL): BlamesByCode {
  const blamesByCode = new Map<string, Set<string>>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name.endsWith('.d.ts')) continue;
    collect(readFileSync(new URL(name, folder), 'utf8'), name.endsWith('defects.ts'), blamesByCode);
  }
  return blamesByCode;
}

/** Adds the codes of one source text. */
export function collect(source: string, isDefectTable: boolean, blamesByCode: Map<string, Set<string>>): void {
  const add = (code: string, blame?: string): void => {
    const blames = blamesByCode.get(code) ?? new Set();
    blamesByCode.set(code, blames);
    if (blame !== undefined) blames.add(blame);
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isCallExpression(node) || ts.isNewExpression(node)) && !isLookup(node.expression)) {
      const takesCodes = codeTakers.has(node.expression.getText());
      for (const [index, argument] of (node.arguments ?? []).entries()) {
        const next = node.arguments?.[index + 1];
        const blame = takesCodes && next !== undefined && ts.isStringLiteral(next) && blameWords.has(next.text) ? next.text : undefined;
        for (const code of literals(argument)) if (upperWords.test(code) && (takesCodes || code.includes('_'))) add(code, blame);
      }
    }
    if (isNamedCode(node)) {
      const blame = ts.isPropertyAssignment(node) ? siblingText(node, 'blame') : undefined;
      const said = [
        ts.isPropertySignature(node) ? undefined : node.initializer,
        ts.isPropertyAssignment(node) ? undefined : node.type,
      ].filter((each) => each !== undefined);
      for (const code of said.flatMap(literals)) if (upperWords.test(code)) add(code, blame);
    }
    if (isDefectTable && ts.isPropertyAssignment(node) && upperWords.test(node.name.getText())) add(node.name.getText(), 'instrument');
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true));
}

/** What `Fault.blame` can be. */
export const blameWords: ReadonlySet<string> = new Set(['peer', 'incompatible', 'instrument', 'local', 'caller']);

function isLookup(called: ts.Expression): boolean {
  return ts.isPropertyAccessExpression(called) && lookups.has(called.name.text);
}

type NamedCode = ts.PropertyAssignment | ts.PropertyDeclaration | ts.ParameterDeclaration | ts.PropertySignature;

function isNamedCode(node: ts.Node): node is NamedCode {
  const canHaveCode =
    ts.isPropertyAssignment(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node) || ts.isPropertySignature(node);
  return canHaveCode && node.name.getText() === 'code';
}

function siblingText(property: ts.PropertyAssignment, name: string): string | undefined {
  const sibling = property.parent.properties.find((each) => ts.isPropertyAssignment(each) && each.name.getText() === name);
  return sibling !== undefined && ts.isPropertyAssignment(sibling) ? literals(sibling.initializer)[0] : undefined;
}

/** The texts that an expression or a type may be. */
function literals(node: ts.Node): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isLiteralTypeNode(node)) return literals(node.literal);
  if (ts.isUnionTypeNode(node)) return node.types.flatMap(literals);
  if (ts.isConditionalExpression(node)) return [...literals(node.whenTrue), ...literals(node.whenFalse)];
  return [];
}
