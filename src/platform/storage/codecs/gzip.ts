import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip, createGzip, type Gunzip } from 'node:zlib';
import { storageCorrupt } from '../storage-error.js';
import { type Codec } from './codec.js';

/** RFC 1952, by Node’s own zlib: any gzip reads and writes the same. */
export const gzip: Codec = {
  name: 'gzip',
  extension: '.gz',
  compress: (content, level = constants.Z_BEST_SPEED) => pipeline(content, createGzip({ level }), ignored),
  decompress: (content) => {
    const gunzip = createGunzip();
    let bytes = 0;
    let failure: unknown;
    const counted = async function* (): AsyncGenerator<Buffer> {
      try {
        for await (const chunk of content as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          yield chunk;
        }
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    pipeline(counted(), gunzip, ignored);
    return Readable.from(
      whole(
        gunzip,
        () => bytes,
        () => failure,
      ),
      { objectMode: false },
    ).once('close', () => gunzip.destroy());
  },
};

async function* whole(gunzip: Gunzip, bytes: () => number, failure: () => unknown): AsyncGenerator<Buffer> {
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    const cause = failure();
    if (cause instanceof Error) throw cause;
    throw storageCorrupt('What is stored is no whole gzip stream.', error);
  }
  // It passes over zeros behind the end.
  if (gunzip.bytesWritten !== bytes()) throw storageCorrupt('Something follows the gzip stream.');
}

/** Both ends fail with it as well. */
function ignored(): void {
  return undefined;
}
