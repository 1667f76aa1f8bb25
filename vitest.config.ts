import { readdirSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** Line coverage in percent that a folder of `src` must keep; every folder not named here keeps `linesOfFolder`. */
const linesOfFolder = 90;
const linesByFolder: Readonly<Record<string, number>> = { datasets: 95, mesh: 85 };

/**
 * Integrity verification: the modules that compare a hash, a signature, an authentication tag or a packet number before anything is believed. Each line of them is a promise that nothing unverified is
 * shown, so each is run. `chunk-homes.ts` and `file-recovery.ts` compare hashes in a line or two; the rest of them keeps the books, so they count with their folder.
 */
const verifying = [
  'src/datasets/log.ts',
  'src/datasets/manifest.ts',
  'src/datasets/receipts.ts',
  'src/runtime/pack-record.ts',
  'src/session/noise.ts',
  'src/session/packet-protection.ts',
  'src/session/replay-window.ts',
];

const folders = readdirSync(new URL('src', import.meta.url), { withFileTypes: true }).filter((entry) => entry.isDirectory());

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.d.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: 'coverage',
      reportOnFailure: true,
      thresholds: {
        'src/*.ts': { lines: linesOfFolder },
        ...Object.fromEntries(folders.map(({ name }) => [`src/${name}/**`, { lines: linesByFolder[name] ?? linesOfFolder }])),
        ...Object.fromEntries(verifying.map((path) => [path, { lines: 100 }])),
      },
    },
  },
});
