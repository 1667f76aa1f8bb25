import { describe, expect, it } from 'vitest';
import type { Hash } from '../../../src/core/identifiers.ts';
import { GroupPuts } from '../../../src/node/group-puts.ts';

const mebibyte = 1024 * 1024;
const record = (bytes: number) => ({ hash: new Uint8Array(32) as Uint8Array as Hash, bytes: new Uint8Array(bytes) });

describe('puts of what arrives', () => {
  it('gather what waits into steps of about 24 MiB, and each is told when its own step is done', async () => {
    const steps: number[] = [];
    const told: number[] = [];
    const puts = new GroupPuts(async (records) => {
      await Promise.resolve();
      steps.push(records.length);
    });
    await Promise.all(Array.from({ length: 60 }, (_, at) => puts.put([record(mebibyte)]).then(() => told.push(at, steps.length))));
    expect(steps).toEqual([1, 24, 24, 11]);
    expect(told.filter((_, at) => at % 2 === 1)).toEqual([1, ...Array(24).fill(2), ...Array(24).fill(3), ...Array(11).fill(4)]);
  });

  it('take one that is longer than a step alone', async () => {
    const steps: number[] = [];
    const puts = new GroupPuts(async (records) => void steps.push(records.length));
    await Promise.all([puts.put([record(1)]), puts.put([record(25 * mebibyte)]), puts.put([record(1)])]);
    expect(steps).toEqual([1, 1, 1]);
  });
});
