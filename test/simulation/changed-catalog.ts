import type { Platform } from '../../src/node/platform.ts';
import type { Catalog } from '../../src/ports/catalog.ts';

/** A platform in whose catalog some calls are others: to count them, or to have them fail. */
export function withCatalog(platform: Platform, change: (catalog: Catalog) => Partial<Catalog>): Platform {
  const { catalog } = platform;
  const changed: Catalog = {
    migrate: (schema) => catalog.migrate(schema),
    run: (...parameters) => catalog.run(...parameters),
    get: <Row>(...parameters: Parameters<Catalog['get']>) => catalog.get<Row>(...parameters),
    all: <Row>(...parameters: Parameters<Catalog['all']>) => catalog.all<Row>(...parameters),
    iterate: <Row>(...parameters: Parameters<Catalog['iterate']>) => catalog.iterate<Row>(...parameters),
    transaction: (work) => catalog.transaction(work),
    close: () => catalog.close(),
    ...change(catalog),
  };
  return { ...platform, catalog: changed };
}
