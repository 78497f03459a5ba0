import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { storageCorrupt } from './storage-error.js';

interface Said {
  bytes?: number;
  sha256?: string;
}

/**
 * A stream that is compared with what was said of it while it passes. The last chunk is held back until the comparison is done, so that whoever
 * needs all of it to show an object never has all of a wrong one.
 */
export class Measured {
  bytes = 0;
  /** Of all of it, in hex; empty until then. */
  sha256 = '';
  /** What the source itself failed with: not an error of the store. */
  failure: unknown;

  constructor(
    private readonly source: Readable,
    private readonly said: Said,
  ) {}

  /** Throws `storage_corrupt` instead of ending when length or digest are not what was said, or what the source fails with. */
  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    const hash = createHash('sha256');
    let held: Buffer | undefined;
    for await (const chunk of this.read()) {
      this.bytes += chunk.length;
      if (this.said.bytes !== undefined && this.bytes > this.said.bytes)
        throw storageCorrupt(`The content is longer than the ${this.said.bytes} bytes that were said.`);
      hash.update(chunk);
      if (held) yield held;
      held = chunk;
    }
    this.sha256 = hash.digest('hex');
    if (this.said.bytes !== undefined && this.bytes !== this.said.bytes)
      throw storageCorrupt(`The content has ${this.bytes} bytes, not the ${this.said.bytes} that were said.`);
    if (this.said.sha256 !== undefined && this.sha256 !== this.said.sha256)
      throw storageCorrupt(`The content has the SHA-256 ${this.sha256}, not ${this.said.sha256} as was said.`);
    if (held) yield held;
  }

  private async *read(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for await (const chunk of this.source as AsyncIterable<Uint8Array | string>)
        if (chunk.length > 0) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as Uint8Array);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** What comes from a store, compared in the same way; `explain` makes a storage error of what reading fails with. */
export function compared(source: Readable, said: Said, explain: (error: unknown) => Error): Readable {
  const measured = new Measured(source, said);
  const stream = Readable.from(
    (async function* (): AsyncGenerator<Buffer> {
      try {
        yield* measured.chunks();
      } catch (error) {
        throw error === measured.failure ? explain(error) : error;
      }
    })(),
    // Without it, it would count chunks, and read sixteen of them ahead.
    { objectMode: false },
  );
  // Destroyed before it was read, the generator never began, and would not end its source.
  return stream.once('close', () => source.destroy());
}
