import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { gzip } from './gzip.js';

const streamOf = (bytes: Buffer, size = 7): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
    { objectMode: false },
  );
const decompressed = (bytes: Buffer): Promise<Buffer> => buffer(gzip.decompress(streamOf(bytes)));
const corrupt = { code: 'storage_corrupt' };

describe('gzip', () => {
  it('T2: gives back what it was given, and any other gzip reads it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(undefined, 1, 6, 9), async (bytes, level) => {
        const content = Buffer.from(bytes);
        const compressed = await buffer(gzip.compress(streamOf(content), level));
        expect(gunzipSync(compressed).equals(content)).toBe(true);
        expect((await decompressed(compressed)).equals(content)).toBe(true);
      }),
      { numRuns: 30 },
    );
    const compressed = await buffer(gzip.compress(streamOf(Buffer.from('by way of the command'))));
    expect(execFileSync('gzip', ['-dc'], { input: compressed, encoding: 'utf8' })).toBe('by way of the command');
  });

  it('T3: a stream that was cut anywhere, in its first or in its second member, is corrupt', async () => {
    const first = gzipSync('one and one and one and one');
    const both = Buffer.concat([first, gzipSync('two')]);
    for (let end = 0; end < both.length; end += 1) {
      if (end === first.length) continue;
      await expect(decompressed(both.subarray(0, end))).rejects.toMatchObject(corrupt);
    }
    expect((await decompressed(both)).toString()).toBe('one and one and one and onetwo');
  });

  it('T3: what was changed, or goes on behind its end, is corrupt', async () => {
    const content = Buffer.from('a sentence that is long enough to be compressed, and compressed, and compressed');
    const whole = gzipSync(content);
    // The time in the header, its flags and the system are not covered by the checksum, and do not change what is read.
    for (let at = 10; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(decompressed(changed)).rejects.toMatchObject(corrupt);
    }
    for (const more of [Buffer.from('garbage'), Buffer.alloc(20)])
      await expect(decompressed(Buffer.concat([whole, more]))).rejects.toMatchObject(corrupt);
  });

  it('T3: what the source fails with stays what it is, and a reader that leaves ends the source', async () => {
    const broken = Readable.from(
      (async function* () {
        yield gzipSync('one');
        await Promise.reject(new Error('the source is gone'));
      })(),
    );
    await expect(buffer(gzip.decompress(broken))).rejects.toThrow('the source is gone');
    const endless = Readable.from(
      (function* () {
        for (;;) yield gzipSync(Buffer.alloc(100_000));
      })(),
    );
    for await (const chunk of gzip.decompress(endless)) {
      expect(chunk).toBeInstanceOf(Uint8Array);
      break;
    }
    await new Promise<void>((resolve) => {
      if (endless.closed) resolve();
      else endless.once('close', resolve);
    });
    expect(endless.destroyed).toBe(true);
  });
});
