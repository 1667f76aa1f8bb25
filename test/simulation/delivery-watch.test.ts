import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Platform } from '../../src/node/platform.ts';
import type { Catalog, SqlValue } from '../../src/ports/catalog.ts';
import { DeliveryWatch, World } from '../../src/simulation/index.ts';

/** Each checker of deliveries stays silent where all is well, and speaks where a node makes the mistake it is there for. */

const second = 1000;
const minute = 60 * second;
const folder = 'field';

type Run = Catalog['run'];

const bulk = 3;

/** A platform whose catalog does some statements otherwise. */
function withCatalog(platform: Platform, change: (run: Run) => Run): Platform {
  const { catalog } = platform;
  const changed: Catalog = {
    migrate: (schema) => catalog.migrate(schema),
    run: change((sql, ...parameters) => catalog.run(sql, ...parameters)),
    get: <Row>(...parameters: Parameters<Catalog['get']>) => catalog.get<Row>(...parameters),
    all: <Row>(...parameters: Parameters<Catalog['all']>) => catalog.all<Row>(...parameters),
    iterate: <Row>(...parameters: Parameters<Catalog['iterate']>) => catalog.iterate<Row>(...parameters),
    transaction: (work) => catalog.transaction(work),
    close: () => catalog.close(),
  };
  return { ...platform, catalog: changed };
}

/** Another value for a parameter of some statements. */
function replacing(statement: RegExp, index: number, value: SqlValue): (platform: Platform) => Platform {
  return (platform) =>
    withCatalog(
      platform,
      (run) =>
        (sql, ...parameters) =>
          run(sql, ...parameters.map((each, at) => (at === index && statement.test(sql) ? value : each))),
    );
}

const bugs: readonly { readonly title: string; readonly tamper: (platform: Platform, name: string) => Platform; readonly shows: RegExp }[] =
  [
    { title: 'takes everything for equally urgent', tamper: replacing(/^INSERT INTO want /, 5, bulk), shows: /less urgent bytes beside/ },
    {
      title: 'forgets when something expires',
      tamper: replacing(/^INSERT INTO delivery \(/, 12, Number.MAX_SAFE_INTEGER),
      shows: /ms after its expiry/,
    },
    {
      title: 'forgets to note that a content has arrived',
      tamper: (platform, name) => {
        let forgotten = name === 'ship' ? 0 : 2;
        return withCatalog(
          platform,
          (run) =>
            (sql, ...parameters) =>
              /^INSERT OR REPLACE INTO content \(|^DELETE FROM want WHERE root/.test(sql) && forgotten++ < 2 ? 1 : run(sql, ...parameters),
        );
      },
      shows: /was given the content .* twice/,
    },
  ];

/** A camp sends a long film and an urgent file to a ship, and a note that expires before the ship is in reach, over a slow radio that is cut and with a computer that is killed. */
async function problemsOf(tamper: (platform: Platform, name: string) => Platform): Promise<string[]> {
  const world = new World({ seed: 9 });
  const camp = await world.add('camp', { platform: (platform) => tamper(platform, 'camp') });
  const ship = await world.add('ship', { platform: (platform) => tamper(platform, 'ship') });
  const link = world.link('camp', 'ship', { delayMs: 50 });
  camp.node.createTeam('Storbreen');
  const dataset = camp.node.createDataset({ name: 'field', kind: 'files' });
  for (const node of [camp, ship]) await world.finish(node.node.listen(`udp://${node.name}:7077`, { keep: true }));
  await world.finish(ship.node.join(camp.node.createInvite()), minute);
  camp.node.addContact(ship.node.id, ['udp://ship:7077']);
  await world.until(() => ship.node.datasets().length === 1, minute);
  for (const node of [camp, ship]) {
    node.directory(folder);
    node.node.attach(dataset, folder);
  }
  ship.node.unsubscribe(dataset);
  await world.runFor(10 * second);
  link.change({ delayMs: 50, rateBytesPerSecond: 2000, queueBytes: 8000 });
  const watch = new DeliveryWatch([camp, ship], dataset, (path) => (path === 'alarm.raw' ? 'critical' : 'bulk'));
  const random = seededRandom(1);
  const send = async (path: string, bytes: number, priority: 'critical' | 'bulk', expiresMs?: number): Promise<void> => {
    camp.directory(folder).put(path, random.bytes(bytes));
    await world.finish(camp.node.scan(dataset, { settleMs: 0 }));
    const expiry = expiresMs === undefined ? undefined : Math.floor(camp.clock.now().wallMs + expiresMs);
    camp.node.forwarding.send(dataset, {
      paths: [path],
      to: [ship.node.id],
      priority,
      ...(expiry === undefined ? {} : { expiresMs: expiry }),
    });
    if (expiry !== undefined) watch.sent(camp, path, ship.node.id, expiry);
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let at = 0; at < seconds; at += 20) {
      await world.runFor(20 * second);
      watch.look();
    }
  };
  await send('film.raw', 400_000, 'bulk');
  await pass(40);
  await send('alarm.raw', 150_000, 'critical');
  await pass(60);
  ship.kill();
  await world.finish(ship.start());
  await pass(60);
  link.cut();
  await send('note.txt', 100, 'bulk', 5 * minute);
  await pass(600);
  link.heal();
  await pass(600);
  return watch.problems();
}

test('deliveries in order are found in order', async () => {
  expect(await problemsOf((platform) => platform)).toEqual([]);
});

test.each(bugs)('a node that $title is found out', async ({ tamper, shows }) => {
  const problems = await problemsOf(tamper);
  expect(
    problems.some((problem) => shows.test(problem)),
    problems.slice(0, 5).join('\n'),
  ).toBe(true);
});
