import { spawnSync } from 'node:child_process';
import { isWithout } from './peer-programs.ts';

function ip(...parameters: string[]): { readonly ok: boolean; readonly said: string } {
  const { status, stderr, stdout } = spawnSync('ip', parameters, { encoding: 'utf8' });
  return { ok: status === 0, said: `${stdout ?? ''}${stderr ?? ''}` };
}

/** Says whether tests in network namespaces must be skipped, with a notice: without the right to make them always, without the program only where nobody insists on it. */
export function isWithoutNamespaces(): boolean {
  if (isWithout('ip (iproute2)', 'ip', '-V')) return true;
  const probe = `godwit-probe-${process.pid}`;
  const { ok, said } = ip('netns', 'add', probe);
  if (ok) ip('netns', 'delete', probe);
  else console.warn(`skipped: network namespaces cannot be made here: ${said.trim()}`);
  return !ok;
}

/** Network namespaces and the cables between them, made for one test: no loopback, no routes but those to networks they are on. */
export class NetworkNamespaces {
  readonly #prefix: string;
  readonly #names = new Set<string>();

  constructor(prefix: string) {
    this.#prefix = `${prefix}-${process.pid}`;
  }

  /** Makes a namespace, and gives the name by which `ip netns exec` knows it. */
  add(name: string): string {
    const full = `${this.#prefix}-${name}`;
    this.#run('netns', 'add', full);
    this.#names.add(full);
    return full;
  }

  /** Lays a cable between interfaces of this name in two namespaces; both ends are up. */
  cable(a: string, b: string, name: string): void {
    this.#run('link', 'add', name, 'netns', a, 'type', 'veth', 'peer', 'name', name, 'netns', b);
    for (const end of [a, b]) this.in(end, 'link', 'set', name, 'up');
  }

  /** Runs `ip` in a namespace. */
  in(namespace: string, ...parameters: string[]): void {
    this.#run('-n', namespace, ...parameters);
  }

  /** Removes everything. */
  clear(): void {
    for (const name of this.#names) ip('netns', 'delete', name);
    this.#names.clear();
  }

  #run(...parameters: string[]): void {
    const { ok, said } = ip(...parameters);
    if (!ok) throw new Error(`ip ${parameters.join(' ')}: ${said.trim()}`);
  }
}
