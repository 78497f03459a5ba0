import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type S3Body } from './s3-client.js';

export interface Part extends S3Body {
  /** Base64, for `Content-MD5`. */
  md5: string;
  /** No other part follows. */
  last: boolean;
}

/** Cuts a stream into parts of exactly `size` bytes, but for the last one, each of which can be sent again. There is at least one, which may be empty. */
export async function* parts(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Part, void, undefined> {
  let collected: Buffer[] = [];
  let room = size;
  for await (const chunk of chunks) {
    let rest = chunk;
    // Only when more follows is a full part not the last.
    while (rest.length > 0) {
      if (room === 0) {
        yield partOf(collected, false);
        collected = [];
        room = size;
      }
      const taken = rest.subarray(0, room);
      collected.push(taken);
      room -= taken.length;
      rest = rest.subarray(taken.length);
    }
  }
  yield partOf(collected, true);
}

function partOf(chunks: Buffer[], last: boolean): Part {
  const sha256 = createHash('sha256');
  const md5 = createHash('md5');
  let bytes = 0;
  for (const chunk of chunks) {
    sha256.update(chunk);
    md5.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: sha256.digest('hex'), md5: md5.digest('base64'), last, open: () => Readable.from(chunks, { objectMode: false }) };
}
