import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { compress } from '@cloudpss/zstd';
import * as wasm from '@cloudpss/zstd/wasm';
import fc from 'fast-check';
import { AppError } from '../../../kernel/app-error.js';
import { zstd, zstdContent, zstdFrame } from './zstd.js';

const streamOf = (bytes: Buffer, size = 7): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
    { objectMode: false },
  );

const decompressed = (bytes: Buffer, size?: number): Promise<Buffer> => buffer(zstd.decompress(streamOf(bytes, size)));
const corrupt = { code: 'storage_corrupt' };

const installed = ((): boolean => {
  try {
    execFileSync('zstd', ['--version']);
    return true;
  } catch {
    console.warn('\n*** SKIPPED: zstd is not installed on this machine ***\n');
    return false;
  }
})();

describe('zstd', () => {
  it('T2: is the same frame by either library, read by the other, and refused when anything of it is not', () => {
    for (const content of ['a', 'one sentence, '.repeat(90_000)].map((text) => Buffer.from(text))) {
      const frame = zstdFrame(content, 3);
      expect(zstdFrame(content, 3, wasm).equals(frame)).toBe(true);
      expect([zstdContent(frame), zstdContent(frame, wasm)].every((read) => read.equals(content))).toBe(true);
      const altered = Buffer.from(frame);
      altered[frame.length - 1] = (altered.at(-1) ?? 0) ^ 1;
      for (const other of [altered, frame.subarray(0, -1), frame.subarray(1), frame.subarray(0, 20), Buffer.concat([frame, frame])])
        expect(() => zstdContent(other)).toThrow(AppError);
    }
  });

  it('T2: gives back what it was given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(undefined, 1, 3, 19), async (bytes, level) => {
        const content = Buffer.from(bytes);
        expect((await decompressed(await buffer(zstd.compress(streamOf(content), level)))).equals(content)).toBe(true);
      }),
      { numRuns: 30 },
    );
    const large = Buffer.alloc(3_000_001, 'a sentence that comes again; ');
    const stored = await buffer(zstd.compress(streamOf(large, 65_536)));
    expect(stored.length).toBeLessThan(large.length / 100);
    expect((await decompressed(stored, 65_536)).equals(large)).toBe(true);
  });

  it('T3: a stream that was cut anywhere, in its first or in its second frame, is corrupt', async () => {
    const first = zstdFrame(Buffer.from('one and one and one and one'));
    const both = Buffer.concat([first, zstdFrame(Buffer.from('two'))]);
    for (let end = 0; end < both.length; end += 1) {
      if (end === first.length) continue;
      await expect(decompressed(both.subarray(0, end))).rejects.toMatchObject(corrupt);
    }
    expect((await decompressed(both)).toString()).toBe('one and one and one and onetwo');
  });

  it('T3: what was changed, goes on behind its end, or is of somebody else, is corrupt', async () => {
    const content = Buffer.from('a sentence that is long enough to be compressed, and compressed, and compressed');
    const whole = zstdFrame(content);
    for (let at = 0; at < whole.length; at += 1)
      for (const bit of [1, 32]) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ bit;
        await expect(decompressed(changed)).rejects.toMatchObject(corrupt);
      }
    for (const more of [Buffer.from('garbage'), Buffer.alloc(20)])
      await expect(decompressed(Buffer.concat([whole, more]))).rejects.toMatchObject(corrupt);
    await expect(decompressed(Buffer.from(compress(content)))).rejects.toMatchObject(corrupt);
  });

  it('T3: what the source fails with stays what it is, and a reader that leaves ends the source', async () => {
    const broken = Readable.from(
      (async function* () {
        yield zstdFrame(Buffer.from('one'));
        await Promise.reject(new Error('the source is gone'));
      })(),
    );
    await expect(buffer(zstd.decompress(broken))).rejects.toThrow('the source is gone');
    const endless = Readable.from(
      (function* () {
        for (;;) yield zstdFrame(Buffer.alloc(100_000));
      })(),
    );
    for await (const chunk of zstd.decompress(endless)) {
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

(installed ? describe : describe.skip)('zstd and its command', () => {
  it('T2: any other zstd reads it', async () => {
    const content = Buffer.alloc(2_500_000, 'by way of the command, ');
    const stored = await buffer(zstd.compress(streamOf(content, 65_536)));
    expect(execFileSync('zstd', ['-dc'], { input: stored, maxBuffer: 4_000_000 }).equals(content)).toBe(true);
  });
});
