import type { IConnackPacket, MqttClient } from 'mqtt';
import { GodwitError } from '../core/errors.ts';

/**
 * Messages of an MQTT broker, over the package `mqtt`, which is optional: only who subscribes needs it.
 *
 * The session is persistent (MQTT 3.1.1, clean session off), so the broker keeps what is published at quality 1 while nobody listens. A message is acknowledged when the node has made it durable; the next
 * one is not looked at before. The structure of what comes and goes is the instruments' `OpenMessageFeed`; the runtime names it for itself, as it knows nothing of instruments.
 */

/** A message of the broker. */
export interface MqttMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly isRetained: boolean;
}

/** Where to listen, to what and as whom. */
export interface MqttFeedOptions {
  readonly address: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly filters: readonly string[];
}

/** The parts of the package that are used. */
export type MqttPackage = Pick<typeof import('mqtt'), 'connect'>;

const connectTimeoutMs = 20_000;
const reconnectMs = 5000;
/** Return codes of a refusal: bad user name or password, not authorised (MQTT 3.1.1, 3.2.2.3). */
const refusals: ReadonlySet<unknown> = new Set<IConnackPacket['returnCode']>([4, 5]);

async function load(importPackage: () => Promise<MqttPackage>): Promise<MqttPackage> {
  try {
    return await importPackage();
  } catch (cause) {
    throw new GodwitError('MQTT_MISSING', 'Listening to a broker needs the package "mqtt", which is not installed: npm install mqtt.', {
      cause,
    });
  }
}

function connectionError(error: Error & { code?: unknown }, address: string): GodwitError {
  if (refusals.has(error.code))
    return new GodwitError('INSTRUMENT_REFUSED', `the broker at ${address} refuses the account`, { cause: error });
  return new GodwitError('INSTRUMENT_UNREACHABLE', `cannot connect to the broker at ${address}: ${error.message}`, {
    retryable: true,
    cause: error,
  });
}

/** One subscription, from connecting to its end. */
function listen(
  client: MqttClient,
  options: MqttFeedOptions,
  deliver: (message: MqttMessage) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let delivering: Promise<void> = Promise.resolve();
  return new Promise((resolve, reject) => {
    let isListening = false;
    let hasEnded = false;
    const finish = (error: unknown): void => {
      if (hasEnded) return;
      hasEnded = true;
      signal.removeEventListener('abort', onAbort);
      // What is being stored is still acknowledged; what failed is not, and comes again.
      void delivering
        .catch(() => undefined)
        .then(() => client.endAsync(error !== undefined))
        .catch(() => undefined)
        .then(() => (error === undefined ? resolve() : reject(error)));
    };
    const onAbort = (): void => finish(undefined);
    client.handleMessage = (packet, done) => {
      if (hasEnded) return;
      const { topic, payload, retain } = packet;
      const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload);
      delivering = deliver({ topic, payload: bytes, isRetained: retain }).then(() => done());
      delivering.catch(finish);
    };
    client.on('error', (error) => {
      if (!isListening) finish(connectionError(error, options.address));
    });
    client.once('close', () => {
      if (!isListening) finish(connectionError(new Error('the connection was closed'), options.address));
    });
    client.once('connect', () => {
      client.subscribe([...options.filters], { qos: 1 }, (error) => {
        // A broker that answers and does not grant is not mended by trying again.
        if (error !== null && 'packet' in error) {
          finish(
            new GodwitError('INSTRUMENT_REFUSED', `the broker at ${options.address} does not let this account listen to all of its topics`),
          );
        } else if (error) finish(connectionError(error, options.address));
        else isListening = true;
      });
    });
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** Listens to brokers with a package that is loaded when it is first needed. See the instruments' `OpenMessageFeed` for what it does and rejects with. */
export function mqttFeed(
  importPackage: () => Promise<MqttPackage> = () => import('mqtt'),
): (options: MqttFeedOptions, deliver: (message: MqttMessage) => Promise<void>, signal: AbortSignal) => Promise<void> {
  return async (options, deliver, signal) => {
    const { address, clientId, username, password } = options;
    if (!/^mqtts?:\/\/(?:\[[\da-f:.%]+\]|[\w.-]+)(?::\d{1,5})?\/?$/i.test(address)) {
      throw new GodwitError(
        'ADDRESS_MALFORMED',
        `"${address}" is not the address of a broker; write mqtt://host:1883 or mqtts://host:8883.`,
      );
    }
    const { connect } = await load(importPackage);
    const client = connect(address, {
      clientId,
      clean: false,
      protocolVersion: 4,
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: reconnectMs,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    await listen(client, options, deliver, signal);
  };
}
