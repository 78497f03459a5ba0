import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { compress, decompress } from '@cloudpss/zstd';
import { storageCorrupt } from '../storage-error.js';
import { type Codec } from './codec.js';

const MAGIC = 0xfd2fb528;
/** A skippable frame (RFC 8878 §3.1.2), which every reader passes over: ours holds the SHA-256 of the content of the frame before it. */
const DIGEST_MAGIC = 0x184d2a5c;
const DIGEST_BYTES = 32;
const FRAME_CONTENT = 1 << 20;
/** What a reader takes at most at once. */
const MOST_CONTENT = 64 << 20;
const LEVEL = 1;

/**
 * RFC 8878, in frames of a mebibyte that stand for themselves: `zstd -d` reads it, and so can any part that begins with a frame. The library
 * neither writes checksums nor minds a stream that was cut, so each frame is followed by its content's digest, and frames are walked here.
 */
export const zstd: Codec = {
  name: 'zstd',
  extension: '.zst',
  compress: (content, level = LEVEL) => stream(compressed(content, level), content),
  decompress: (content) => stream(decompressed(content), content),
};

/**
 * What compresses. The library is there twice: the native one keeps one context for the whole process, and two threads that use it at once crash
 * or read what the other wrote. So it belongs to the main thread, and whoever works in another one brings `@cloudpss/zstd/wasm`, of which each
 * thread has its own. It writes the same bytes, in half as much time again.
 */
export interface ZstdLibrary {
  compress: (content: Buffer, level: number) => Uint8Array;
  decompress: (frame: Buffer) => Uint8Array;
}

const native: ZstdLibrary = { compress, decompress };

/** One frame with its digest. Content may be of any size up to 64 MiB. */
export function zstdFrame(content: Buffer, level = LEVEL, library = native): Buffer {
  const digest = Buffer.alloc(8 + DIGEST_BYTES);
  digest.writeUInt32LE(DIGEST_MAGIC, 0);
  digest.writeUInt32LE(DIGEST_BYTES, 4);
  hash('sha256', content, 'buffer').copy(digest, 8);
  return Buffer.concat([library.compress(content, level), digest]);
}

/**
 * The content of one frame with its digest and nothing else. Throws `storage_corrupt`. How large the content is, the frame says: it has to be known
 * as one of ours before.
 */
export function zstdContent(frame: Buffer, library = native): Buffer {
  const end = frame.length - DIGEST_BYTES - 8;
  if (end < 0) throw storageCorrupt('What is stored is no whole zstd stream.');
  return digested(contentOf(frame.subarray(0, end), library), frame.subarray(end));
}

async function* compressed(content: Readable, level: number): AsyncGenerator<Buffer> {
  const incoming = new Incoming(content);
  for (let frames = 0; ; frames++) {
    const part = await incoming.atMost(FRAME_CONTENT);
    if (part.length === 0 && frames > 0) return;
    yield zstdFrame(part, level);
  }
}

async function* decompressed(content: Readable): AsyncGenerator<Buffer> {
  const incoming = new Incoming(content);
  for (let frames = 0; ; frames++) {
    if (frames > 0 && (await incoming.ended())) return;
    const frame = await wholeFrame(incoming);
    const digest = await incoming.exactly(8 + DIGEST_BYTES);
    const part = digested(contentOf(frame), digest);
    if (part.length > 0) yield part;
  }
}

/** The content, when that is its digest. */
function digested(content: Buffer, digest: Buffer): Buffer {
  if (digest.readUInt32LE(0) !== DIGEST_MAGIC || digest.readUInt32LE(4) !== DIGEST_BYTES)
    throw storageCorrupt('A zstd frame without its digest is none of ours.');
  if (!hash('sha256', content, 'buffer').equals(digest.subarray(8)))
    throw storageCorrupt('What is stored does not have the digest that was stored with it.');
  return content;
}

function contentOf(frame: Buffer, library = native): Buffer {
  try {
    const content = library.decompress(frame);
    return Buffer.from(content.buffer, content.byteOffset, content.length);
  } catch (error) {
    throw storageCorrupt('What is stored is no whole zstd stream.', error);
  }
}

/** The bytes of the next frame, by its header and those of its blocks (RFC 8878 §3.1.1). */
async function wholeFrame(incoming: Incoming): Promise<Buffer> {
  const head = await incoming.exactly(5);
  if (head.readUInt32LE(0) !== MAGIC) throw storageCorrupt('What is stored is no zstd stream.');
  const descriptor = head.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  // A reserved bit, a dictionary and a frame that does not say its size are nothing that we write.
  if ((descriptor & 0x0b) !== 0 || sizeBytes === 0) throw storageCorrupt('What is stored is no zstd stream of ours.');
  const rest = await incoming.exactly((singleSegment ? 0 : 1) + sizeBytes);
  if (contentSize(rest.subarray(rest.length - sizeBytes)) > MOST_CONTENT) throw storageCorrupt('A zstd frame is larger than any of ours.');
  const parts = [head, rest];
  for (let last = false; !last;) {
    const header = await incoming.exactly(3);
    const bits = header.readUIntLE(0, 3);
    last = (bits & 1) === 1;
    // A run of one byte is stored as that byte, whatever its length.
    parts.push(header, await incoming.exactly(((bits >> 1) & 3) === 1 ? 1 : bits >> 3));
  }
  if ((descriptor & 0x04) !== 0) parts.push(await incoming.exactly(4));
  return Buffer.concat(parts);
}

function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE());
  // Two bytes count from 256.
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

/** Reads a stream by lengths. */
class Incoming {
  private readonly source: AsyncIterator<Buffer>;
  private held: Buffer[] = [];
  private length = 0;

  constructor(content: Readable) {
    this.source = (content as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async ended(): Promise<boolean> {
    return !(await this.fill(1));
  }

  async exactly(bytes: number): Promise<Buffer> {
    if (!(await this.fill(bytes))) throw storageCorrupt('What is stored ends in the middle of a zstd stream.');
    return this.take(bytes);
  }

  async atMost(bytes: number): Promise<Buffer> {
    await this.fill(bytes);
    return this.take(Math.min(bytes, this.length));
  }

  private async fill(bytes: number): Promise<boolean> {
    while (this.length < bytes) {
      const next = await this.source.next();
      if (next.done === true) return false;
      this.held.push(next.value);
      this.length += next.value.length;
    }
    return true;
  }

  private take(bytes: number): Buffer {
    const all = this.held.length === 1 ? this.held[0] : undefined;
    const joined = all ?? Buffer.concat(this.held);
    this.held = [joined.subarray(bytes)];
    this.length = joined.length - bytes;
    return joined.subarray(0, bytes);
  }
}

function stream(chunks: AsyncGenerator<Buffer>, source: Readable): Readable {
  // Destroyed before it was read, the generator never began, and would not end its source.
  return Readable.from(chunks, { objectMode: false }).once('close', () => source.destroy());
}
