import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Measured } from '../measured.js';
import { checkMetadata } from '../object-key.js';
import { type Capabilities, type PutOptions, type StoredObject } from '../object-storage.js';
import { type Part, parts } from './collected.js';
import { type Made, OnlyNew } from './only-new.js';
import { type S3Body, type S3Client } from './s3-client.js';
import { etagOf, headersOf, versionOf } from './s3-headers.js';
import { S3Multipart } from './s3-multipart.js';

/** What of an object is in memory at once. A store takes 10 000 parts, so an object of unknown length has 156 GiB at most. */
const PART_BYTES = 16 * 1024 * 1024;
const MOST_PARTS = 10_000;
/** Up to here, what has a known length and digest is sent in one request. */
const SINGLE_BYTES = 64 * 1024 * 1024;
/** More no store takes in one request. */
const MOST_SINGLE_BYTES = 5 * 1024 ** 3;

/**
 * How objects get into a bucket. Every byte is signed by its SHA-256, which every store compares: a stream that is sent in one request by the digest
 * that was said, any other in parts that are collected first and have digests of their own.
 */
export class S3Upload {
  private readonly onlyNew: OnlyNew;
  private readonly multipart: S3Multipart;

  constructor(
    private readonly client: S3Client,
    private readonly storageClass: string | undefined,
    private readonly capabilities: () => Promise<Capabilities>,
  ) {
    this.onlyNew = new OnlyNew(client, capabilities);
    this.multipart = new S3Multipart(client, storageClass, this.onlyNew);
  }

  async put(key: string, measured: Measured, options: PutOptions): Promise<StoredObject> {
    checkMetadata(options.metadata ?? {});
    const { bytes, sha256 } = options;
    if (bytes !== undefined && sha256 !== undefined && bytes <= (await this.mostAtOnce(options))) {
      const stream = { bytes, sha256, open: () => Readable.from(measured.chunks(), { objectMode: false }) };
      // A stream is there once.
      return { ...(await this.single(key, stream, options, 1)), bytes, sha256 };
    }
    const made = await this.collected(key, parts(measured.chunks(), partBytes(bytes)), options);
    return { ...made, bytes: measured.bytes, sha256: measured.sha256 };
  }

  sweep(before: Date): Promise<number> {
    return this.multipart.sweep(before);
  }

  /** Where only a single request is surely refused for an object that exists, as much as possible is sent in one. */
  private async mostAtOnce({ bytes = 0, createOnly }: PutOptions): Promise<number> {
    if (!createOnly || bytes <= SINGLE_BYTES) return SINGLE_BYTES;
    return (await this.capabilities()).createOnly === 'small' ? MOST_SINGLE_BYTES : SINGLE_BYTES;
  }

  private async collected(key: string, all: AsyncGenerator<Part>, options: PutOptions): Promise<Made> {
    try {
      const first = await all.next();
      if (first.done === true) throw new Error('A stream is cut into one part at least.');
      return first.value.last
        ? await this.single(key, first.value, options)
        : await this.multipart.put(key, after(first.value, all), options);
    } finally {
      await all.return(undefined);
    }
  }

  private async single(key: string, body: S3Body & Partial<Part>, options: PutOptions, attempts?: number): Promise<Made> {
    const put = randomUUID();
    const headers = {
      ...headersOf(options, this.storageClass, put, body.sha256),
      'x-amz-checksum-sha256': Buffer.from(body.sha256, 'hex').toString('base64'),
      ...(body.md5 === undefined ? {} : { 'content-md5': body.md5 }),
      ...(options.createOnly ? await this.onlyNew.headers(key, true) : {}),
    };
    return this.onlyNew.unlessOurs(key, put, async () => {
      const answer = await this.client.text({ method: 'PUT', key, headers, body }, attempts);
      return { etag: etagOf(answer.headers), ...versionOf(answer.headers) };
    });
  }
}

/** Parts are of one size, which some stores insist on. */
function partBytes(bytes = 0): number {
  return Math.max(PART_BYTES, Math.ceil(bytes / MOST_PARTS));
}

async function* after(first: Part, others: AsyncGenerator<Part>): AsyncGenerator<Part> {
  yield first;
  yield* others;
}
