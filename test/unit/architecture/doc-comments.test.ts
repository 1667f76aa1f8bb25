import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { type SourceModule, sourceModules } from './source-modules.ts';

/** Exported declarations without a doc comment of their own, as `path name`. A module's header, which an empty line sets apart, is not the comment of what happens to come next. */
function undocumentedExports({ path, text }: SourceModule): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return file.statements.flatMap((statement) => {
    if (!isExported(statement) || hasOwnComment(statement, file)) return [];
    return [`${path} ${nameOf(statement)}`];
  });
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

function hasOwnComment(statement: ts.Statement, file: ts.SourceFile): boolean {
  const last = ts.getJSDocCommentsAndTags(statement).filter(ts.isJSDoc).at(-1);
  if (last === undefined) return false;
  const isAdjacent = !/\n\s*\n/.test(file.text.slice(last.end, statement.getStart(file)));
  return isAdjacent && /\w/.test(last.getText(file));
}

function nameOf(statement: ts.Statement): string {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText()).join(', ');
  const { name } = statement as ts.DeclarationStatement;
  return name?.getText() ?? 'without a name';
}

describe('Doc comments', () => {
  test('stand on everything that src exports', () => {
    expect(sourceModules().flatMap(undocumentedExports)).toEqual([]);
  });

  test.each([
    ['nothing', 'export const a = 1;'],
    ['another kind of comment', '// Counts.\nexport function a() {}'],
    ['an empty comment', '/** */\nexport interface A {}'],
    ['the header of the module', '/** What it is about. */\n\nexport class A {}'],
  ])('are missed where there is %s', (_, text) => {
    expect(undocumentedExports({ path: 'sample.ts', text })).toHaveLength(1);
  });

  test('are not asked of what stays inside or is handed on', () => {
    const text = "export { a } from './a.ts';\nconst b = 1;\nclass C {}\n/** Says what. */\nexport type D = typeof b | C;";
    expect(undocumentedExports({ path: 'sample.ts', text })).toEqual([]);
  });
});
