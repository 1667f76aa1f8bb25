import { type CodecChoice, chooseCodec, EncoderSpeed, type EncodingBounds } from '../bandwidth/codec-choice.ts';
import { toHex } from '../core/bytes.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { PowerReading, PowerState } from '../ports/power-state.ts';
import type { ContentTasks, PreparedTransfer } from './content-tasks.ts';

/**
 * Chooses how contents are compressed, one choice a content and peer (`bandwidth/codec-choice.ts`), and remembers the latest choices with what came of them.
 *
 * A choice is made when the first group is encoded, and anew when the link has become another one: groups that were sent stay as they are, and one that had arrived in part begins again.
 */

/** For whom a content is encoded. */
export interface EncodingPurpose {
  readonly peer: NodeId;
  readonly rateBytesPerSecond: number | undefined;
  readonly priority: PriorityClass;
}

/** A choice and what came of it. */
export interface CodecDecision {
  /** Root hash of the content, hexadecimal. */
  readonly root: string;
  readonly peer: NodeId;
  /** `none`: as it is. `zstd`. `delta`: from an earlier version, as a patch or with it as dictionary, whichever is shorter. */
  readonly codec: CodecChoice['codec'];
  /** zstd level, 0 for none. */
  readonly level: number;
  readonly why: string;
  /** Length of a compressed sample by its original length; absent when none could be read. */
  readonly sampleRatio?: number;
  /** Bytes of content encoded so far, and what they became. */
  readonly contentBytes: number;
  readonly encodedBytes: number;
}

const decisionsKept = 64;
/** A link is another one when its rate differs by this factor. */
const rateFactor = 4;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Chosen {
  readonly bounds: EncodingBounds;
  readonly rateBytesPerSecond: number | undefined;
  readonly decision: Mutable<CodecDecision>;
}

/** The choices of one node. */
export class CodecSelector {
  readonly #tasks: Pick<ContentTasks, 'sample'>;
  readonly #power: PowerState | undefined;
  readonly #speed = new EncoderSpeed();
  readonly #chosenByTransfer = new WeakMap<PreparedTransfer, Chosen>();
  #decisions: Mutable<CodecDecision>[] = [];

  constructor(tasks: Pick<ContentTasks, 'sample'>, power: PowerState | undefined) {
    this.#tasks = tasks;
    this.#power = power;
  }

  /** The bounds for the next group of a content. */
  async bounds(transfer: PreparedTransfer, purpose: EncodingPurpose): Promise<EncodingBounds> {
    const earlier = this.#chosenByTransfer.get(transfer);
    if (earlier !== undefined && !isAnother(earlier.rateBytesPerSecond, purpose.rateBytesPerSecond)) return earlier.bounds;
    const sampleRatio = await this.#tasks.sample(transfer);
    const { peer, rateBytesPerSecond, priority } = purpose;
    const choice = chooseCodec(
      {
        hasBase: transfer.base.length > 0,
        ...(sampleRatio === undefined ? {} : { sampleRatio }),
        ...(rateBytesPerSecond === undefined ? {} : { rateBytesPerSecond }),
        priority,
        power: this.power,
      },
      this.#speed.factor,
    );
    const decision = {
      root: toHex(transfer.content.root),
      peer,
      codec: choice.codec,
      level: choice.bounds.level,
      why: choice.why,
      ...(sampleRatio === undefined ? {} : { sampleRatio }),
      contentBytes: 0,
      encodedBytes: 0,
    };
    this.#decisions = [...this.#decisions.slice(1 - decisionsKept), decision];
    this.#chosenByTransfer.set(transfer, { bounds: choice.bounds, rateBytesPerSecond, decision });
    return choice.bounds;
  }

  /** A group was encoded: so many bytes of content became so many, in so long. */
  encoded(transfer: PreparedTransfer, contentBytes: number, encodedBytes: number, elapsedMs: number): void {
    const chosen = this.#chosenByTransfer.get(transfer);
    if (chosen === undefined) return;
    chosen.decision.contentBytes += contentBytes;
    chosen.decision.encodedBytes += encodedBytes;
    this.#speed.observe(chosen.bounds, contentBytes, elapsedMs);
  }

  /** The latest choices, the last one at the end. */
  get decisions(): CodecDecision[] {
    return this.#decisions.map((decision) => ({ ...decision }));
  }

  /** What feeds this computer. */
  get power(): PowerReading {
    return this.#power?.read() ?? { source: 'unknown' };
  }
}

function isAnother(before: number | undefined, now: number | undefined): boolean {
  if (before === undefined || now === undefined) return before !== now;
  return now > before * rateFactor || now * rateFactor < before;
}
