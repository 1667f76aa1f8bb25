import { GodwitError } from '../core/errors.ts';
import type { BundleMedium, MediumFile } from '../ports/bundle-medium.ts';

/**
 * A stick that somebody carries from computer to computer. It may be small, write-protected, pulled out at any step of a write, and lose bits; a copy of it may be lost on the way.
 *
 * It is plugged in at a directory of a computer (`SimulatedNode.sticks`). What it went through is counted.
 */
export class UsbStick implements BundleMedium {
  /** Bytes that fit. */
  capacityBytes: number;
  readOnly = false;
  /** Steps of writing that are still done before it is pulled out; `Infinity` for never. A file takes four: begun, written, renamed, name made durable. */
  stepsLeft = Number.POSITIVE_INFINITY;
  /** Bytes written and read in all. */
  bytesWritten = 0;
  bytesRead = 0;
  readonly #files = new Map<string, Uint8Array>();
  readonly #temporary = new Map<string, Uint8Array>();

  constructor(capacityBytes = Number.POSITIVE_INFINITY) {
    this.capacityBytes = capacityBytes;
  }

  /** Names of the segment files, ascending. */
  get names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** Bytes that its files take, what was left unfinished included. */
  get usedBytes(): number {
    return [...this.#files.values(), ...this.#temporary.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** A stick with the same files on it, or with those that `keep` chooses. */
  copy(keep: (name: string) => boolean = () => true): UsbStick {
    const copy = new UsbStick(this.capacityBytes);
    for (const [name, bytes] of this.#files) if (keep(name)) copy.put(name, bytes.slice());
    return copy;
  }

  /** The bytes of a file. */
  bytes(name: string): Uint8Array {
    return this.#files.get(name) ?? new Uint8Array(0);
  }

  /** Puts a file there as it is. */
  put(name: string, bytes: Uint8Array): void {
    this.#files.set(name, bytes);
  }

  /** It is plugged in again after it was pulled out. */
  plugAgain(): void {
    this.stepsLeft = Number.POSITIVE_INFINITY;
  }

  async list(): Promise<readonly MediumFile[]> {
    this.#requirePlugged();
    return this.names.map((name) => ({ name, sizeBytes: this.bytes(name).length }));
  }

  async read(name: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    this.#requirePlugged();
    const bytes = this.bytes(name).slice(offset, offset + lengthBytes);
    this.bytesRead += bytes.length;
    return bytes;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.#requireWritable();
    this.#temporary.clear();
    this.#step(() => this.#temporary.set(name, new Uint8Array(0)));
    if (this.usedBytes + bytes.length > this.capacityBytes) {
      this.#temporary.delete(name);
      throw new GodwitError('DISK_FULL', 'the stick is full', { retryable: true });
    }
    this.#step(
      () => this.#temporary.set(name, bytes.slice()),
      () => this.#temporary.set(name, bytes.slice(0, bytes.length / 2)),
    );
    this.#step(() => this.#files.set(name, bytes.slice()));
    this.#temporary.delete(name);
    // Without this step the name may be gone: the power was cut before the directory was written.
    this.#step(
      () => undefined,
      () => this.#files.delete(name),
    );
    this.bytesWritten += bytes.length;
  }

  async remove(name: string): Promise<void> {
    this.#requireWritable();
    this.#step(() => this.#files.delete(name));
  }

  async freeBytes(): Promise<number> {
    this.#requirePlugged();
    return this.capacityBytes - this.usedBytes;
  }

  #requirePlugged(): void {
    if (this.stepsLeft <= 0) throw new GodwitError('STORAGE_FAILED', 'the stick was pulled out', { retryable: true });
  }

  #requireWritable(): void {
    this.#requirePlugged();
    if (this.readOnly) throw new GodwitError('DIRECTORY_UNWRITABLE', 'the stick is write-protected');
  }

  /** One step of writing; `torn` is what is left of it when the stick is pulled out in it. */
  #step(done: () => void, torn: () => void = () => undefined): void {
    this.stepsLeft--;
    if (this.stepsLeft > 0) done();
    else torn();
    this.#requirePlugged();
  }
}
