import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from './result.ts';

/**
 * Measures, and holds the figures against their targets:
 *
 *     npm run bench -- SUITE
 *
 * A suite is a module in `suites` that exports `run(): Promise<BenchResult[]>`. A table is printed, then, as the last line, one JSON object
 * `{"suite","commit","results":[{"name","value","unit","target","met"}],"ok"}`. The exit code is 0 when every target was met, 1 when not, and 2 when there is no such suite.
 */

interface Suite {
  run(): Promise<BenchResult[]>;
}

const here = fileURLToPath(new URL('./', import.meta.url));

function suiteNames(): string[] {
  return globSync('suites/*.ts', { cwd: here })
    .map((path) => basename(path, '.ts'))
    .sort();
}

/** The commit that was measured, marked when the files were not as it says. */
function commit(): string {
  const described = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'], { cwd: here, encoding: 'utf8' });
  return described.status === 0 ? described.stdout.trim() : 'unknown';
}

function tableOf(results: readonly BenchResult[]): string {
  const rows = results.map(({ name, value, unit, target, met }) => [
    name,
    shown(value),
    unit,
    target === undefined ? '' : shown(target),
    verdict(target, met),
  ]);
  const all = [['figure', 'value', 'unit', 'target', ''], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 1 || i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ');
  return all.map((row) => line(row).trimEnd()).join('\n');
}

function shown(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 });
}

function verdict(target: number | undefined, met: boolean): string {
  if (target === undefined) return '';
  return met ? 'met' : 'MISSED';
}

async function main(): Promise<number> {
  const names = suiteNames();
  const [suite, ...more] = process.argv.slice(2);
  if (suite === undefined || more.length > 0 || !names.includes(suite)) {
    console.error(`Name one suite of these: ${names.join(', ')}.`);
    return 2;
  }
  const { run } = (await import(`./suites/${suite}.ts`)) as Suite;
  const results = await run();
  const ok = results.every(({ met }) => met);
  console.log(tableOf(results));
  console.log(
    JSON.stringify({ suite, commit: commit(), results: results.map((result) => ({ ...result, target: result.target ?? null })), ok }),
  );
  return ok ? 0 : 1;
}

process.exitCode = await main();
