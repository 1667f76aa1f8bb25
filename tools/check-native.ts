import { globSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RequiredPackage, requiredPackages } from './required-packages.ts';

/**
 * No required package may need a compiler, a binary made for one kind of machine, or a script at installation: a godwit is installed on tablets and logger boxes without any of these, and often
 * from a USB stick.
 */

/** npm runs these when somebody installs the package. */
const installScripts = ['preinstall', 'install', 'postinstall'];

/** What speaks against each required package of the project in this directory, one sentence each. */
export function nativeParts(root: string): string[] {
  return requiredPackages(root).flatMap((required) => reasons(root, required).map((reason) => `${required.place} ${reason}`));
}

function reasons(root: string, { place, description }: RequiredPackage): string[] {
  const found: string[] = [];
  if (description.gypfile === true) found.push('is compiled at installation (gypfile)');
  for (const name of installScripts) if (description.scripts?.[name] !== undefined) found.push(`has the script "${name}"`);
  for (const restriction of ['os', 'cpu', 'libc'] as const)
    if (description[restriction] !== undefined) found.push(`is for some machines only (${restriction})`);
  // What lies below in a node_modules of its own is another package.
  for (const file of globSync('**/{binding.gyp,*.node}', { cwd: join(root, place), exclude: ['**/node_modules/**'] }))
    found.push(`holds ${file}`);
  return found;
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('../', import.meta.url));
  const found = nativeParts(root);
  for (const reason of found) console.error(reason);
  if (found.length > 0) process.exitCode = 1;
  else console.log(`nothing native among ${requiredPackages(root).length} required packages`);
}
