import { describe, expect, test } from 'vitest';
import { camps } from '../../src/simulation/camps.ts';
import { rehearse } from '../../src/simulation/rehearsal.ts';
import type { Rehearsal } from '../../src/simulation/rehearsal-plan.ts';
import { rehearsalMarkdown } from '../../src/simulation/rehearsal-report.ts';
import { hour, minute } from './camp.ts';

/** Two sites with a weather station, joined by nothing. */
const apart: Rehearsal = {
  name: 'Apart',
  days: 1,
  sites: [{ name: 'hut' }, { name: 'office' }],
  instruments: [{ name: 'weather', site: 'hut', rowsPerHour: 6, readEveryMinutes: 180 }],
  wantedAt: ['office'],
};

const deliveryOf = ({ deliveries }: Awaited<ReturnType<typeof rehearse>>, priority: string) =>
  deliveries.find((each) => each.priority === priority);

describe('a rehearsal', () => {
  test('gives the same report for the same seed, and another for another', async () => {
    const links = [{ between: ['hut', 'office'], preset: 'iridium-dial-up', hoursOfDay: [[3, 7]] }] as const;
    const plan: Rehearsal = { ...apart, days: 0.3, links };
    const [first, again, other] = [await rehearse(plan), await rehearse(plan), await rehearse({ ...plan, seed: 2 })];
    expect(again).toEqual(first);
    expect(other.digest).not.toBe(first.digest);
  });

  test('counts every byte of a link once, with its cost, and what the modem drew at the end that has it', async () => {
    const report = await rehearse({ ...apart, links: [{ between: ['hut', 'office'], preset: 'bgan', hoursOfDay: [[12, 14]] }] });
    const [link] = report.links;
    const bytes = link?.bytes ?? [0, 0];
    expect(deliveryOf(report, 'normal')).toMatchObject({ to: 'office', items: 7, delivered: 4 });
    expect(bytes[0]).toBeGreaterThan(1000);
    expect(link).toMatchObject({ usd: ((bytes[0] + bytes[1]) / 1e6) * 6, upShare: 2 / 24 });
    // Two hours of standby at 8 W, and next to nothing for sending.
    expect(report.sites.map(({ radioWattHours }) => Math.round(radioWattHours * 10) / 10)).toEqual([16, 0]);
    // Four readings were there at noon; of what came later, the oldest is nine hours old at midnight.
    expect(deliveryOf(report, 'normal')?.medianMs).toBeLessThan(7 * hour);
    expect(deliveryOf(report, 'normal')?.oldestMs).toBeGreaterThan(9 * hour - minute);
  });

  test('has links that are switched on several times a day, and over midnight', async () => {
    const report = await rehearse({
      ...apart,
      links: [
        {
          between: ['hut', 'office'],
          preset: 'bgan',
          hoursOfDay: [
            [6, 7],
            [18, 19.5],
          ],
        },
        { between: ['office', 'hut'], preset: 'edge', hoursOfDay: [[22, 26]] },
      ],
    });
    expect(report.links.map(({ upShare }) => Math.round(upShare * 24 * 1000) / 1000)).toEqual([2.5, 4]);
    // Read at 3, 6, 9, 12, 15 and 18 o'clock; at 21 o'clock for the call after 22; the one at midnight is not read in time.
    expect(deliveryOf(report, 'normal')?.delivered).toBe(7);
  });

  test('says what breaks first, the worst at the top, and puts it on a page', async () => {
    const report = await rehearse({
      ...apart,
      sites: [{ name: 'hut', diskBytes: 1e6, power: { batteryWattHours: 80, supplyWatts: 0, drawWatts: 3 } }, { name: 'office' }],
      links: [{ between: ['hut', 'office'], preset: 'radio-modem-vhf' }],
      hoursMax: { normal: 12 },
    });
    expect(report.margins.map(({ margin }) => margin)).toEqual(report.margins.map(({ margin }) => margin).toSorted((a, b) => a - b));
    // 24 h at 3 W and at 1.5 W of the radio are more than 80 Wh.
    expect(report.margins[0]).toMatchObject({ kind: 'energy', what: 'hut', margin: 0, because: 'the battery: it was empty 1 times' });
    expect(report.margins.map(({ kind }) => kind).sort()).toEqual(['energy', 'latency', 'link', 'storage']);
    expect(report.problems.map(({ what }) => what)).toContain('hut was off: reading weather');
    const page = rehearsalMarkdown(report);
    expect(page.indexOf('| energy: hut | 0.0 % |')).toBeGreaterThan(0);
    expect(page).toContain('| 1 |');
  });

  test('fails where the disk is full, and says so', async () => {
    const report = await rehearse({
      ...apart,
      sites: [{ name: 'hut', diskBytes: 200_000 }, { name: 'office' }],
      files: [{ name: 'photo', site: 'hut', sizeBytes: 150_000, everyHours: 6, priority: 'critical' }],
      links: [{ between: ['hut', 'office'], preset: 'edge' }],
    });
    expect(report.problems.some(({ what }) => what.startsWith('hut: saving photo: '))).toBe(true);
    expect(report.sites[0]?.diskBytesMax).toBeLessThanOrEqual(200_000);
    expect(report.margins[0]?.kind).toBe('storage');
  });

  test('has people carry data on sticks and on laptops, and contacts from a trace', async () => {
    const stops = [
      { site: 'hut', hour: 7, minutes: 20 },
      { site: 'office', hour: 9, minutes: 20 },
    ];
    for (const carries of ['usb-stick', 'laptop'] as const) {
      const report = await rehearse({ ...apart, trips: [{ who: 'Ida', carries, stops }] });
      // The readings of 3 and 6 o'clock.
      expect([carries, deliveryOf(report, 'normal')]).toMatchObject([carries, { delivered: 2, p90Ms: expect.any(Number) as number }]);
      expect(Math.round((deliveryOf(report, 'normal')?.p90Ms ?? 0) / hour)).toBe(6);
      expect(report.problems).toEqual([]);
    }
    const met = await rehearse({ ...apart, contacts: [{ a: 'hut', b: 'office', fromMs: 10 * hour, toMs: 10 * hour + 5 * minute }] });
    expect(deliveryOf(met, 'normal')?.delivered).toBe(3);
    expect(met.links[0]).toMatchObject({ kind: 'wifi-ad-hoc', upShare: 5 / (24 * 60) });
  });

  test('refuses a plan that contradicts itself', async () => {
    const plans: Partial<Rehearsal>[] = [
      { wantedAt: ['nowhere'] },
      { sites: [{ name: 'hut' }] },
      { sites: [{ name: 'hut' }, { name: 'hut' }] },
      { sites: [{ name: 'the hut' }, { name: 'office' }] },
      { days: 0 },
      { contacts: [{ a: 'hut', b: 'van', fromMs: 0, toMs: 1 }] },
      { links: [{ between: ['hut', 'hut'], preset: 'bgan' }] },
      { links: [{ between: ['hut', 'office'], preset: 'carrier-pigeon' as 'bgan' }] },
      { links: [{ between: ['hut', 'office'], preset: 'bgan', hoursOfDay: [[7, 6]] }] },
      // One stretch for several, as one may write it in JavaScript.
      { links: [{ between: ['hut', 'office'], preset: 'bgan', hoursOfDay: [6, 7, 18, 19] as never }] },
      { hoursmax: { normal: 3 } } as Partial<Rehearsal>,
    ];
    for (const plan of plans) await expect(rehearse({ ...apart, ...plan })).rejects.toMatchObject({ code: 'REHEARSAL_INVALID' });
  });
});

describe('a camp of the list', () => {
  test('whose link to home is too thin is told that this breaks first', async () => {
    const report = await rehearse({ ...camps['ice-core-camp'], days: 1 });
    expect(report.margins[0]).toMatchObject({ kind: 'link', what: 'camp – home, iridium-dial-up' });
    expect(report.margins[0]?.margin).toBeLessThan(0.3);
    expect(deliveryOf(report, 'critical')?.delivered).toBeGreaterThan(0);
  });

  test.each(['two-valleys', 'ship-and-shore', 'drone-relay', 'data-mule'] as const)('%s lives through its first days', async (name) => {
    const plan = camps[name];
    const report = await rehearse({ ...plan, days: Math.min(plan.days, name === 'data-mule' ? 2 : 1) });
    expect(report.problems).toEqual([]);
    for (const { delivered } of report.deliveries) expect(delivered).toBeGreaterThan(0);
  });
});
