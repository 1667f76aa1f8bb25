import type { MonotonicMs } from '../core/time.ts';
import type { EndpointInput, EndpointOutput, SessionEndpoint } from '../session/endpoint.ts';
import { linkBytes, type PathKind } from '../session/ledger.ts';
import type { Path } from '../session/session-path.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';
import type { VirtualLink } from './virtual-link.ts';

/**
 * Drives session endpoints in virtual time, over virtual links: the same calls that the runtime makes with sockets.
 *
 * A *wire* is one path between two endpoints, known to both by the same name. Outputs other than packets go to the listener of the endpoint, which may call the endpoint again; what it causes is sent at the same instant.
 */

/** One end: an endpoint, and what to do with what it reports. */
export interface WireEnd {
  readonly endpoint: SessionEndpoint;
  readonly onOutput: (output: EndpointOutput) => void;
}

interface Wire {
  readonly kind: PathKind;
  /** The end at each side, and the link that leads away from it. */
  readonly ends: readonly [WireEnd, WireEnd];
  readonly links: readonly [VirtualLink, VirtualLink];
}

/** Any number of endpoints, the wires between them, and the events still to come. */
export class VirtualWires {
  readonly #agenda: VirtualAgenda;
  readonly #wireByPath = new Map<Path, Wire>();
  readonly #wakeAt = new Map<WireEnd, number>();

  constructor(agenda: VirtualAgenda) {
    this.#agenda = agenda;
  }

  /** Lays a wire. `links` lead from the first end to the second, and back. A stream is opened at both ends at once. */
  connect(path: Path, kind: PathKind, ends: readonly [WireEnd, WireEnd], links: readonly [VirtualLink, VirtualLink]): void {
    this.#wireByPath.set(path, { kind, ends, links });
    if (kind === 'stream') for (const end of ends) this.#handle(end, { type: 'path-opened', path, kind });
  }

  /** Cuts a wire. What is under way on it is lost; the ends of a stream are told. */
  cut(path: Path): void {
    const wire = this.#wireByPath.get(path);
    this.#wireByPath.delete(path);
    if (wire?.kind === 'stream') for (const end of wire.ends) this.#handle(end, { type: 'path-closed', path });
  }

  /** Takes an end's outputs after a command was given to it, and sets its alarm. */
  pump(end: WireEnd): void {
    for (let output = end.endpoint.poll(); output !== undefined; output = end.endpoint.poll()) {
      if (output.type === 'transmit') this.#transmit(end, output.path, output.bytes);
      else if (output.type === 'close-path') this.cut(output.path);
      end.onOutput(output);
    }
    this.#setAlarm(end);
  }

  #handle(end: WireEnd, input: EndpointInput): void {
    end.endpoint.handle(input, this.#agenda.now);
    this.pump(end);
  }

  #transmit(from: WireEnd, path: Path, bytes: Uint8Array): void {
    const wire = this.#wireByPath.get(path);
    if (wire === undefined) return;
    const side = wire.ends[0] === from ? 0 : 1;
    const to = wire.ends[1 - side] as WireEnd;
    for (const at of (wire.links[side] as VirtualLink).send(linkBytes(wire.kind, bytes.length), this.#agenda.now.monotonicMs)) {
      this.#agenda.at(at, () => {
        if (this.#wireByPath.get(path) === wire) this.#handle(to, { type: 'received', path, kind: wire.kind, bytes });
      });
    }
  }

  #setAlarm(end: WireEnd): void {
    const deadline = end.endpoint.nextDeadline();
    const set = this.#wakeAt.get(end);
    if (deadline === undefined || (set !== undefined && set <= deadline.at)) return;
    this.#wakeAt.set(end, deadline.at);
    this.#agenda.at(deadline.at as MonotonicMs, () => {
      if (this.#wakeAt.get(end) === deadline.at) this.#wakeAt.delete(end);
      const due = end.endpoint.nextDeadline();
      if (due === undefined) return;
      if (due.at <= this.#agenda.now.monotonicMs) end.endpoint.wake(this.#agenda.now);
      this.pump(end);
    });
  }
}
