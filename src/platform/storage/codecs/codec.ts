import { type Readable } from 'node:stream';

/**
 * A standard compression, as streams. What `compress` made is one unit, so that what is missing at its end is missed: `decompress` fails with
 * `storage_corrupt` instead of ending when the stream was cut anywhere, goes on behind its end, or was changed in between.
 */
export interface Codec {
  /** As in a manifest. */
  name: string;
  /** Of file names, with its dot. */
  extension: string;
  /** By default as fast as the codec is. */
  compress(content: Readable, level?: number): Readable;
  decompress(content: Readable): Readable;
}
