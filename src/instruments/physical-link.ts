/**
 * What an instrument's address leads over. Loggers take one conversation at a time on a line or a port, so visits over the same link take turns, however their addresses are written.
 */

/** Where an address leads to. */
export interface PhysicalLink {
  /** The same for two addresses of one serial line, or of one port of one host. */
  readonly name: string;
  /** Name or address of the host, without brackets; absent where the link is a line. */
  readonly host?: string;
}

const portByScheme: ReadonlyMap<string, number> = new Map([
  ['http', 80],
  ['https', 443],
]);

/** The link of an address such as `serial:/dev/ttyUSB0?baud=9600`, `tcp://10.0.0.5:6785` or `http://logger`. What is none of these is its own link. */
export function physicalLink(address: string): PhysicalLink {
  const [, scheme = '', host, port] = /^([a-z]+):\/\/(\[[^\]]*\]|[^:/?#]+)(?::(\d+))?/i.exec(address) ?? [];
  if (host === undefined) return { name: address.replace(/\?.*$/s, '') };
  const name = host.toLowerCase();
  return { name: `${name}:${port ?? portByScheme.get(scheme.toLowerCase()) ?? ''}`, host: name.replace(/^\[|\]$/g, '') };
}
