import type { Random } from '../core/random.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { RateControlFactory } from '../ports/rate-control.ts';
import type { LogKeepingParts } from './log-keeping.ts';

/** What an engine is made of. */
export interface EngineParts extends Omit<LogKeepingParts, 'carrying'> {
  readonly nodeName: () => string;
  readonly catalog: Catalog;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  readonly rateControl: RateControlFactory;
  readonly journal: TransferJournal;
}
