import type { LinkSink } from '../../src/ports/links.ts';

type LinkEvent =
  | { readonly type: 'received'; readonly path: string; readonly kind: 'datagram' | 'stream'; readonly text: string }
  | { readonly type: 'opened'; readonly path: string; readonly address: string | undefined }
  | { readonly type: 'closed'; readonly path: string }
  | { readonly type: 'dialFailed'; readonly address: string; readonly message: string };

/** Writes down what happens on links, and lets a test wait for it. Each event is handed out once, to the first call that asks for its kind. */
export class LinkRecorder implements LinkSink {
  /** Everything, in order. */
  readonly events: LinkEvent[] = [];
  /** The arrays as they were received. */
  readonly arrays: Uint8Array[] = [];
  readonly #taken = new Set<LinkEvent>();
  #waiting: (() => void)[] = [];

  received(path: string, kind: 'datagram' | 'stream', bytes: Uint8Array): void {
    this.arrays.push(bytes);
    this.#add({ type: 'received', path, kind, text: new TextDecoder().decode(bytes) });
  }

  opened(path: string, address: string | undefined): void {
    this.#add({ type: 'opened', path, address });
  }

  closed(path: string): void {
    this.#add({ type: 'closed', path });
  }

  dialFailed(address: string, message: string): void {
    this.#add({ type: 'dialFailed', address, message });
  }

  async nextDatagram(): Promise<{ readonly path: string; readonly text: string }> {
    const { path, text } = await this.#next('received', ({ kind }) => kind === 'datagram');
    return { path, text };
  }

  nextOpened(): Promise<{ readonly path: string; readonly address: string | undefined }> {
    return this.#next('opened');
  }

  async nextClosed(): Promise<string> {
    return (await this.#next('closed')).path;
  }

  nextDialFailed(): Promise<{ readonly address: string; readonly message: string }> {
    return this.#next('dialFailed').then(({ address, message }) => ({ address, message }));
  }

  count(type: LinkEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Bytes that came on a stream so far. */
  streamLength(path: string): number {
    return this.#stream(path).length;
  }

  /** What came on a stream, as soon as that is `length` bytes of ASCII. */
  async streamText(path: string, length: number): Promise<string> {
    while (this.#stream(path).length < length) await this.#change();
    return this.#stream(path);
  }

  #stream(path: string): string {
    let text = '';
    for (const event of this.events) if (event.type === 'received' && event.path === path) text += event.text;
    return text;
  }

  async #next<Type extends LinkEvent['type']>(
    type: Type,
    matches: (event: Extract<LinkEvent, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<LinkEvent, { type: Type }>> {
    for (;;) {
      for (const event of this.events) {
        if (event.type !== type || this.#taken.has(event)) continue;
        const found = event as Extract<LinkEvent, { type: Type }>;
        if (!matches(found)) continue;
        this.#taken.add(event);
        return found;
      }
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #add(event: LinkEvent): void {
    this.events.push(event);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
