import { createHash } from 'node:crypto';
import { type ArchiveFrame, type ArchiveManifest } from './manifest.js';

/** Takes an object apart by the frames that its manifest lists, as its bytes come. */
export class StoredFrames {
  private readonly whole = createHash('sha256');
  private bytes = 0;

  constructor(
    private readonly source: AsyncIterable<Buffer>,
    private readonly manifest: Pick<ArchiveManifest, 'object' | 'frames'>,
  ) {}

  /** Those that are whole; each lies in memory of its own, which the caller may give away. */
  async *all(): AsyncGenerator<{ frame: Uint8Array; told: ArchiveFrame }> {
    const told = this.manifest.frames.values();
    let filling = begun(told.next().value);
    for await (const chunk of this.source) {
      this.whole.update(chunk);
      this.bytes += chunk.length;
      for (let at = 0; filling && at < chunk.length;) {
        const taken = chunk.subarray(at, at + filling.frame.length - filling.length);
        filling.frame.set(taken, filling.length);
        filling.length += taken.length;
        at += taken.length;
        if (filling.length < filling.frame.length) continue;
        yield filling;
        filling = begun(told.next().value);
      }
    }
  }

  /** At the end, whether that was the whole object and nothing but its frames. */
  matches(): boolean {
    const { object, frames } = this.manifest;
    let end = 0;
    const dense = frames.every(({ offset, bytes }) => offset === end && (end += bytes) > offset);
    return dense && end === object.bytes && this.bytes === end && this.whole.digest('hex') === object.sha256;
  }
}

function begun(told: ArchiveFrame | undefined): { frame: Uint8Array; told: ArchiveFrame; length: number } | undefined {
  return told && { frame: new Uint8Array(told.bytes), told, length: 0 };
}
