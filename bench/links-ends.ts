import { rateControlFactory } from '../src/bandwidth/rate-control.ts';
import type { NodeId } from '../src/core/identifiers.ts';
import type { PriorityClass } from '../src/core/priority.ts';
import { seededRandom } from '../src/core/random.ts';
import { nodeCrypto } from '../src/runtime/node-crypto.ts';
import { openSocketLinks } from '../src/runtime/socket-links.ts';
import { systemClock } from '../src/runtime/system-clock.ts';
import { systemEntropy } from '../src/runtime/system-entropy.ts';
import { systemTimers } from '../src/runtime/system-timers.ts';
import { type EndpointInput, type EndpointOutput, SessionEndpoint, type SessionId } from '../src/session/endpoint.ts';
import type { PathKind } from '../src/session/ledger.ts';

/**
 * Two ends of a session over this machine's sockets, without the node around them: what a link does to the protocol, and nothing else.
 */

const secret = new Uint8Array(32).fill(7);
const block = new Uint8Array(64 * 1024).fill(0x5a);

/** An endpoint on sockets. */
export class SocketEnd {
  readonly keys = nodeCrypto.x25519KeyPair(systemEntropy.bytes(32));
  readonly links = openSocketLinks();
  readonly endpoint: SessionEndpoint;
  session: SessionId | undefined;
  react: (output: EndpointOutput) => void = () => {};
  #timer: { readonly at: number; cancel(): void } | undefined;
  #pumping = false;
  #closed = false;
  /** Called once for a dialled stream. */
  opened: (path: string) => void = () => {};

  constructor() {
    this.endpoint = new SessionEndpoint({
      localStatic: this.keys,
      crypto: nodeCrypto,
      entropy: systemEntropy,
      random: seededRandom(1),
      rateControl: rateControlFactory('polite'),
      credentials: { memberSecrets: () => [secret], inviteSecret: () => undefined, memberByKey: () => 'peer' as unknown as NodeId },
    });
    this.links.start({
      received: (path, kind, bytes) => this.#handle({ type: 'received', path, kind, bytes }),
      opened: (path, address) => {
        this.#handle({ type: 'path-opened', path, kind: 'stream' });
        if (address !== undefined) this.opened(path);
      },
      closed: (path) => this.#handle({ type: 'path-closed', path }),
      dialFailed: (_, message) => {
        throw new Error(message);
      },
    });
  }

  /** Dials another end, in this process or not, at an address. */
  async dial(other: { readonly keys: { readonly publicKey: Uint8Array } }, address: string): Promise<void> {
    const kind: PathKind = address.startsWith('udp:') ? 'datagram' : 'stream';
    let path = address;
    if (kind === 'stream') {
      path = await new Promise<string>((resolve) => {
        this.opened = resolve;
        this.links.dial(address);
      });
    }
    this.endpoint.connect({ path, kind, remoteStatic: other.keys.publicKey, secret }, systemClock.now());
    this.pump();
  }

  /** Sends bulk data without end, as much as the session takes. */
  saturate(): void {
    let offset = 0;
    const fill = (session: SessionId) => {
      for (;;) {
        const length = this.endpoint.maxDataBytes(session);
        if (this.endpoint.roomBytes(session, 'bulk') < length) return;
        this.endpoint.sendData(session, 'bulk', { transfer: 1, offset, bytes: block.subarray(0, length), last: false }, systemClock.now());
        offset += length;
      }
    };
    const before = this.react;
    this.react = (output) => {
      before(output);
      if (output.type === 'established' || output.type === 'writable' || output.type === 'resumed') fill(output.session);
    };
    if (this.session !== undefined) {
      fill(this.session);
      this.pump();
    }
  }

  /** Sends one message. */
  say(priority: PriorityClass, bytes: Uint8Array): void {
    if (this.session !== undefined) this.endpoint.sendMessage(this.session, priority, bytes, systemClock.now());
    this.pump();
  }

  /** Carries out what the endpoint puts out, and sets its alarm. */
  pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit') this.links.transmit(output.path, output.bytes);
      else if (output.type === 'close-path') this.links.closePath(output.path);
      else if (output.type === 'established') this.session = output.session;
      this.react(output);
    }
    this.#pumping = false;
    const next = this.endpoint.nextDeadline();
    if (this.#timer?.at === next?.at) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (next === undefined) return;
    const timer = systemTimers.schedule(Math.max(0, next.at - systemClock.now().monotonicMs), () => {
      this.#timer = undefined;
      this.endpoint.wake(systemClock.now());
      this.pump();
    });
    this.#timer = { at: next.at, cancel: () => timer.cancel() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.links.close();
  }

  #handle(input: EndpointInput): void {
    if (this.#closed) return;
    this.endpoint.handle(input, systemClock.now());
    this.pump();
  }
}
