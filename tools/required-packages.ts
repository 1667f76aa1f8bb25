import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What the tools read of a `package.json`. */
export interface PackageDescription {
  readonly name: string;
  readonly gypfile?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** An installed package. */
export interface RequiredPackage {
  /** Its directory, relative to the project's. */
  readonly place: string;
  readonly description: PackageDescription;
}

/**
 * Every package that whoever installs the project gets whether or not it suits the machine: dependencies of dependencies and peers included, optional and development ones left out. Found as Node
 * finds them, in the `node_modules` of the directory and of those above it, up to the project's own.
 *
 * Throws when one is not installed.
 */
export function requiredPackages(root: string): RequiredPackage[] {
  const packageByPlace = new Map<string, RequiredPackage>();
  const waiting: RequiredPackage[] = [{ place: '.', description: describe(root) }];
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    for (const name of requiredNames(from.description)) {
      const place = findPackage(root, from.place, name);
      if (packageByPlace.has(place)) continue;
      const found = { place, description: describe(join(root, place)) };
      packageByPlace.set(place, found);
      waiting.push(found);
    }
  }
  return [...packageByPlace.values()];
}

function describe(directory: string): PackageDescription {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as PackageDescription;
}

/** npm repeats optional dependencies among the others, where they would look required. */
function requiredNames({
  dependencies = {},
  optionalDependencies = {},
  peerDependencies = {},
  peerDependenciesMeta = {},
}: PackageDescription): string[] {
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
  return [...Object.keys(dependencies), ...peers].filter((name) => !(name in optionalDependencies));
}

function findPackage(root: string, from: string, name: string): string {
  for (let above = from; ; above = dirname(above)) {
    const place = join(above, 'node_modules', name);
    if (existsSync(join(root, place, 'package.json'))) return place;
    if (above === '.') throw new Error(`${name}, which ${from} requires, is not installed: run npm ci`);
  }
}
