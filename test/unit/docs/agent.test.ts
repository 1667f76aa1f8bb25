import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { perform, plain, requests } from '../../../src/agent/requests.ts';
import type { NodeId } from '../../../src/core/identifiers.ts';
import { type Duty, parseDuty } from '../../../src/node/duty.ts';
import type { FieldNode } from '../../../src/node/field-node.ts';
import { openNode } from '../../../src/open-node.ts';

/** Where interfaces are declared that events are joined with. */
const interfacePaths: Readonly<Record<string, string>> = { DeliveryChange: 'src/forwarding/delivery-queue.ts' };

const project = new URL('../../../', import.meta.url);
const reference = readFileSync(new URL('docs/agent.md', project), 'utf8');
const sections = reference.split(/^##+ /m).slice(1);
const sectionOf = (title: string) => sections.find((section) => section.split('\n', 1)[0] === title);

interface Example {
  readonly id: number | string;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result: unknown;
}

const exampleLines = [...reference.matchAll(/^```jsonl\n(.*?)^```$/gms)].flatMap(([, lines]) => (lines as string).trim().split('\n'));
const examples: Example[] = [];
for (let at = 0; at < exampleLines.length; at += 2) {
  const [request, answer] = exampleLines.slice(at, at + 2).map((line) => JSON.parse(line) as Example) as [Example, Example];
  examples.push({ ...request, result: request.id === answer.id ? answer.result : `the answer has id ${answer.id}` });
}

/** Rows of the first table below `text`, as texts without back quotes. */
function tableRows(text: string): string[][] {
  const lines = text.split('\n');
  const from = lines.findIndex((line) => /^\|\s*-/.test(line));
  if (from < 0) return [];
  const rows = lines.slice(from + 1);
  const to = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, to < 0 ? rows.length : to).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}

/** What a value is made of: names of members and types, without the values. */
type Shape = string | { readonly [member: string]: Shape } | readonly Shape[];

function shape(value: unknown): Shape {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object') return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, each]): [string, Shape] => [key, shape(each)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe('the requests in the agent reference', () => {
  it('are all requests there are', () => {
    const documented = [...reference.matchAll(/^### (.*)$/gm)].map(([, name]) => name as string);
    expect(documented.sort()).toEqual(Object.keys(requests).sort());
  });

  it.each(Object.keys(requests))('have an example for %s', (method) => {
    expect(examples.map((example) => example.method)).toContain(method);
  });

  it.each(examples)('have parameters that fit in example $id, $method', ({ method, params }) => {
    const request = requests[method];
    expect(request === undefined ? ['unknown request'] : v.safeParse(request.parameters, params).issues).toBeUndefined();
  });

  it.each(Object.entries(requests))('name each parameter of %s, and say which may be left out', (method, { parameters }) => {
    const inner = 'wrapped' in parameters ? (parameters.wrapped as v.GenericSchema) : parameters;
    const entries = Object.entries('entries' in inner ? (inner.entries as Record<string, v.GenericSchema>) : {});
    const expected = entries.map(([name, schema]) => (schema.type === 'optional' ? `${name}?` : name));
    const [own] = (sectionOf(method) ?? '').split('A **site profile**');
    const documented = tableRows(own ?? '').map(([name]) => name);
    expect(documented).toEqual(expected);
  });
});

describe('the duties in the agent reference', () => {
  const kinds = { listen: true, scan: true, ingest: true, collect: true, mqtt: true, receive: true, drop: true } satisfies Record<
    Duty['kind'],
    true
  >;
  const duties = examples.flatMap(({ params }) => (params?.duty === undefined ? [] : [params.duty as Record<string, unknown>]));
  const withIdentifier = (duty: Record<string, unknown>) => ({
    ...duty,
    ...(duty.dataset === undefined ? {} : { dataset: '0'.repeat(64) }),
  });

  it('are all kinds there are, each with an example that the node takes', () => {
    const documented = tableRows(sectionOf('Duties') ?? '').map(([kind]) => kind as string);
    expect(documented.sort()).toEqual(Object.keys(kinds).sort());
    expect(duties.map((duty) => parseDuty(withIdentifier(duty)).kind).sort()).toEqual(Object.keys(kinds).sort());
  });

  it.each(duties)('need the fields that are said to be needed: $kind', (duty) => {
    const [, listed = ''] = tableRows(sectionOf('Duties') ?? '').find(([kind]) => kind === duty.kind) ?? [];
    for (const field of listed.split(', ').filter((each) => !each.endsWith('?'))) {
      const { [field]: _, ...rest } = withIdentifier(duty) as Record<string, unknown>;
      expect(() => parseDuty(rest), field).toThrow(expect.objectContaining({ code: 'DUTY_MALFORMED' }));
    }
  });
});

describe('the events in the agent reference', () => {
  it('are all events there are, with their fields', () => {
    const inSource = new Map([
      ...membersOfUnion('src/node/node-event.ts', 'NodeEvent'),
      ...membersOfUnion('src/node/node-event.ts', 'UpkeepEvent'),
      ...membersOfUnion('src/node/node-event.ts', 'FieldNodeEvent'),
    ]);
    const documented = new Map(
      tableRows(sectionOf('Events') ?? '').map(([type, fields]) => [type, fields === '' ? [] : fields?.split(', ')]),
    );
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(inSource));
  });
});

/** The members of a union of objects in a source file: their `type`, and the names of their other properties. */
function membersOfUnion(path: string, name: string): [string, string[]][] {
  const source = ts.createSourceFile(path, readFileSync(new URL(path, project), 'utf8'), ts.ScriptTarget.Latest, true);
  const declaration = source.statements.filter(ts.isTypeAliasDeclaration).find((each) => each.name.text === name);
  const union: readonly ts.TypeNode[] =
    declaration?.type !== undefined && ts.isUnionTypeNode(declaration.type) ? declaration.type.types : [];
  return union.flatMap((each) => {
    const properties = propertiesOf(each);
    if (properties.length === 0) return [];
    const type = properties.find((property) => property.name.getText() === 'type')?.type?.getText() ?? '';
    const names = properties.map((property) => property.name.getText());
    return [[type.slice(1, -1), names.filter((field) => field !== 'type')] as [string, string[]]];
  });
}

/** The properties of an object in a union, those included of interfaces that it is joined with. */
function propertiesOf(node: ts.TypeNode): readonly ts.PropertySignature[] {
  if (ts.isParenthesizedTypeNode(node)) return propertiesOf(node.type);
  if (ts.isTypeLiteralNode(node)) return node.members.filter(ts.isPropertySignature);
  if (!ts.isIntersectionTypeNode(node)) return [];
  return node.types.flatMap((part): readonly ts.PropertySignature[] => {
    const path = interfacePaths[part.getText()];
    if (path === undefined) return propertiesOf(part);
    const source = ts.createSourceFile(path, readFileSync(new URL(path, project), 'utf8'), ts.ScriptTarget.Latest, true);
    const found = source.statements.filter(ts.isInterfaceDeclaration).find((each) => each.name.text === part.getText());
    return [...(found?.members ?? [])].filter(ts.isPropertySignature);
  });
}

describe('the examples in the agent reference', () => {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-docs-'));
  let glacier: FieldNode;
  let valley: FieldNode;

  beforeAll(async () => {
    for (const name of ['notes', 'loggers', 'exports']) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'notes/2026-07-01.txt'), 'Snow bridge gone.\n');
    writeFileSync(join(directory, 'loggers/met.dat'), loggerFile);
    glacier = await openNode({ directory: join(directory, 'glacier'), name: 'glacier' });
    valley = await openNode({ directory: join(directory, 'valley'), name: 'valley' });
  });
  afterAll(async () => {
    await Promise.all([glacier.close(), valley.close()]);
    rmSync(directory, { recursive: true });
  });

  it('run one after the other, with results of the shape that is shown', async () => {
    let invite = '';
    let order: unknown;
    /** Who is shown is nobody here; where it matters, it is who joined. */
    const members = new Map([
      ['5f795fc8cb1131c2213b2cda19d1998ae77f562324b1ed6ecc31057bd55374e4', valley.id],
      ['34f168bce54b89ad0f12431f951c6faec2b961b3a8e414717ad50ee5a4e861d9', glacier.id],
    ]);
    let bound = '';
    const here = (text: string): string => {
      if (text.startsWith('godwit1:')) return invite;
      if (text === 'udp://192.168.1.10:7077') return bound;
      if (/^(udp|tcp):\/\/0\.0\.0\.0:7077$/.test(text)) return `${text.slice(0, 3)}://127.0.0.1:0`;
      return text.startsWith('/srv/') ? join(directory, text.slice('/srv/'.length)) : text;
    };
    for (const { id, method, params, result } of examples) {
      const actualParams =
        params === undefined
          ? undefined
          : JSON.parse(JSON.stringify(params), (key, value) => {
              if (key === 'order') return order;
              if (typeof value !== 'string') return value;
              return /^[dn]/.test(String(id)) ? (members.get(value as NodeId) ?? here(value)) : here(value);
            });
      if (method === 'send') {
        // Nobody answers from here on, so that what is shown does not depend on how far something has come.
        await Promise.all([glacier.close(), valley.close()]);
        glacier = await openNode({ directory: join(directory, 'glacier') });
        await vi.waitFor(() => expect(glacier.discovery.addresses).toHaveLength(1));
      }
      const ask = async () => plain(await perform(method === 'join' ? valley : glacier, method, actualParams));
      // Where something is takes a moment to be known: the node counts as having it when it has looked at what it sent.
      if (method === 'where') await vi.waitFor(async () => expect(shape(await ask())).toEqual(shape(result)), { timeout: 10_000 });
      const actual = await ask();
      if (method === 'listen') bound = String(actual);
      if (method === 'createInvite') invite = String(actual);
      if (method === 'send') order = actual;
      expect([id, method, shape(actual)]).toEqual([id, method, shape(result)]);
    }
  });
});

const loggerFile = [
  '"TOA5","Storbreen","CR1000X","12345","CR1000X.Std.05.00","CPU:met.CR1X","4711","Met"',
  '"TIMESTAMP","RECORD","AirT_C"',
  '"TS","RN","Deg C"',
  '"","","Avg"',
  '"2026-07-01 00:00:00",0,3.41',
  '"2026-07-01 00:10:00",1,3.38',
  '"2026-07-01 00:20:00",x,3.30',
  '',
].join('\r\n');
