import { toHex, utf8 } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { RecordFormat } from '../formats/record-stream.ts';
import { Arrivals } from '../instruments/drop-folder/arrivals.ts';
import { admitPush, type PushAnswer } from '../instruments/http-push/push-request.ts';
import { TopicMappings } from '../instruments/mqtt/topic-mapping.ts';
import type { FileStat } from '../ports/file-tree.ts';
import type { Chores } from './chores.ts';
import type { Duty } from './duty.ts';
import type { Ingest } from './ingest.ts';
import type { Platform } from './platform.ts';
import type { SiteProfile } from './site-profile.ts';

/**
 * What comes by itself: messages of brokers, requests of loggers, files that others put down. Each is stored before whoever sent it is told so; what is not told comes again, and is recognised.
 */

/** What intake works with. */
export interface IntakeParts {
  readonly self: string;
  readonly platform: Platform;
  readonly ingest: Ingest;
  readonly chores: Chores;
  readonly formats: readonly RecordFormat[];
  /** @throws GodwitError when nothing may be written into the dataset */
  readonly requireWriter: (dataset: DatasetId) => void;
}

type DutyOf<Kind extends Duty['kind']> = Extract<Duty, { kind: Kind }>;

/** Bytes of one pushed body at most, and requests worked on at a time. */
const bodyBytesMax = 16 * 1024 * 1024;
const requestsMax = 4;
const retryAfterSeconds = 60;
/** How long a dropped file must have been the same where the duty does not say. */
const defaultSettleMs = 10_000;

/** The part of a node that takes what is brought. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #arrivalsByDuty = new Map<string, Arrivals>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Listens to a broker until the signal is aborted. Rejects with what `OpenMessageFeed` documents, `TOPIC_MALFORMED`, and what storing can fail with; the broker keeps what was not stored. */
  async listenToBroker(duty: DutyOf<'mqtt'>, signal: AbortSignal): Promise<void> {
    const { platform, chores, ingest, self } = this.#parts;
    const dataset = duty.dataset as DatasetId;
    this.#parts.requireWriter(dataset);
    const { address, username, password, clientId = `godwit-${self.slice(0, 12)}` } = duty;
    const mappings = new TopicMappings(duty.topics);
    const options = {
      address,
      clientId,
      filters: mappings.filters(),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    };
    await platform.openMessageFeed(
      options,
      async (message) => {
        const understood = mappings.understand(message, Math.floor(platform.clock.now().wallMs * 1000));
        if (understood === undefined) return;
        const { source, format, stored } = understood;
        const profile = (duty.profile ?? {}) as SiteProfile;
        await chores.exclusive(source, async () => {
          await ingest.ingestMessage(dataset, source, message.payload, [format], profile);
        });
        stored();
      },
      signal,
    );
  }

  /** Takes what loggers push until the signal is aborted. Rejects with what `ListenForPushes` documents. */
  async receive(duty: DutyOf<'receive'>, signal: AbortSignal): Promise<void> {
    const { platform, chores, ingest, formats } = this.#parts;
    const dataset = duty.dataset as DatasetId;
    this.#parts.requireWriter(dataset);
    const { token } = duty;
    // Comparing hashes takes the same time wherever the texts differ.
    const expected = token === undefined ? undefined : toHex(platform.crypto.sha256(utf8(token)));
    const isToken = expected === undefined ? undefined : (text: string) => toHex(platform.crypto.sha256(utf8(text))) === expected;
    const profile = (duty.profile ?? {}) as SiteProfile;
    await platform.listenForPushes(
      { address: duty.address, bodyBytesMax, requestsMax },
      (head) => {
        const admitted = admitPush(head, isToken);
        if (admitted.ok) return undefined;
        return { status: admitted.fault.code === 'PUSH_UNAUTHORISED' ? 401 : 400, text: admitted.fault.message };
      },
      async (request): Promise<PushAnswer> => {
        const admitted = admitPush(request, isToken);
        if (!admitted.ok) return { status: 400, text: admitted.fault.message };
        try {
          const report = await chores.exclusive(admitted.value, () =>
            ingest.ingestMessage(dataset, admitted.value, request.body, formats, profile),
          );
          return { status: 200, text: `stored ${report.stored}, duplicate ${report.duplicate}, quarantined ${report.quarantined}` };
        } catch (error) {
          if (!(error instanceof GodwitError)) throw error;
          return { status: 503, text: `${error.code}: ${error.message}`, retryAfterSeconds };
        }
      },
      signal,
    );
  }

  /** Reads the files that have become whole in a drop folder, and moves them where the duty says. */
  async collectDrops(duty: DutyOf<'drop'>): Promise<void> {
    const { platform, chores, ingest } = this.#parts;
    const dataset = duty.dataset as DatasetId;
    this.#parts.requireWriter(dataset);
    const { directory, settleMs = defaultSettleMs, moveTo } = duty;
    const key = JSON.stringify(duty);
    const arrivals = this.#arrivalsByDuty.get(key) ?? new Arrivals(settleMs);
    this.#arrivalsByDuty.set(key, arrivals);
    await chores.exclusive(`drop ${directory}`, async () => {
      const tree = platform.openTree(directory);
      const files: FileStat[] = [];
      for await (const entry of tree.walk()) {
        if (entry.kind === 'file' && (moveTo === undefined || !entry.path.startsWith(`${moveTo}/`))) files.push(entry);
      }
      const failures: unknown[] = [];
      for (const { path } of arrivals.look(files, platform.clock.now().monotonicMs)) {
        try {
          const report = await ingest.ingestFile(dataset, tree, path, (duty.profile ?? {}) as SiteProfile, { complete: true });
          if (moveTo !== undefined && report.defects.ZONE_UNKNOWN === undefined)
            await tree.rename(path, await freeName(moveTo, path, (name) => tree.stat(name)));
        } catch (error) {
          // One that nobody may read, or that lies on a bad sector, keeps no other one waiting.
          arrivals.again(path);
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    });
  }
}

/** A name below `folder` that nothing has: a logger that names every upload alike must not overwrite the one before. */
async function freeName(folder: string, path: string, stat: (name: string) => Promise<FileStat | undefined>): Promise<string> {
  const dot = path.lastIndexOf('.');
  const [base, ending] = dot > path.lastIndexOf('/') + 1 ? [path.slice(0, dot), path.slice(dot)] : [path, ''];
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${folder}/${path}` : `${folder}/${base} (${number})${ending}`;
    if ((await stat(name)) === undefined) return name;
  }
}
