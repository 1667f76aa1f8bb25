import { defineConfig } from 'vitest/config';

/** Line coverage each folder must keep, in percent. */
const lines = (percent: number) => ({ lines: percent });

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.d.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: 'coverage',
      thresholds: {
        'src/core/**': lines(90),
        'src/datasets/**': lines(95),
        'src/session/**': lines(90),
        'src/bandwidth/**': lines(90),
        'src/observations/**': lines(90),
        'src/instruments/**': lines(90),
        'src/formats/**': lines(90),
        'src/node/**': lines(90),
        'src/runtime/**': lines(90),
        'src/simulation/**': lines(90),
        'src/agent/**': lines(90),
      },
    },
  },
});
