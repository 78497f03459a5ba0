import { type IncomingHttpHeaders } from 'node:http';
import { type Readable } from 'node:stream';
import { AppError } from '../../../kernel/app-error.js';
import { type Clock } from '../../../kernel/clock.js';
import { type Outbound } from '../../outbound/outbound.js';
import { compared, Measured } from '../measured.js';
import { checkKey, checkPrefix } from '../object-key.js';
import {
  type ByteRange,
  type Capabilities,
  type ObjectFacts,
  type ObjectPage,
  ObjectStorage,
  type OpenedObject,
  type PutOptions,
  type StoredObject,
} from '../object-storage.js';
import { storageCorrupt, storageNotFound, storageUnsupported } from '../storage-error.js';
import { element, elements } from './s3-answer.js';
import { explained, S3Client } from './s3-client.js';
import { type S3Config } from './s3-config.js';
import { factsOf } from './s3-headers.js';
import { probeS3 } from './s3-probe.js';
import { S3Upload } from './s3-upload.js';

/** A bucket, or what is below a prefix in it, of any store that speaks S3. */
export class S3Storage extends ObjectStorage {
  private readonly client: S3Client;
  private readonly uploads: S3Upload;
  private readonly storageClass: string | undefined;
  private probed: Promise<Capabilities> | undefined;

  constructor(config: S3Config, outbound: Outbound, clock: Clock) {
    super();
    this.client = new S3Client(config, outbound, clock);
    this.storageClass = config.storageClass;
    this.uploads = new S3Upload(this.client, this.storageClass, () => this.capabilities());
  }

  async put(key: string, content: Readable, options: PutOptions): Promise<StoredObject> {
    const measured = new Measured(content, options);
    try {
      checkKey(key);
      if (options.lock && !(await this.capabilities()).objectLock) throw storageUnsupported('The bucket does not lock objects.');
      return await this.uploads.put(key, measured, options);
    } catch (error) {
      throw measured.failure ?? error;
    } finally {
      content.destroy();
    }
  }

  async get(key: string, { range }: { range?: ByteRange } = {}): Promise<OpenedObject> {
    checkKey(key);
    const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : undefined;
    const answer = await this.client.stream({ method: 'GET', key, headers });
    const facts = factsOf(answer.headers);
    const stream = answer.body;
    try {
      if (range) facts.bytes = wholeLength(answer.headers, key, range);
      const said = range ? { bytes: range.length } : facts;
      // What the connection fails with is never an AppError.
      return { facts, stream: compared(stream, said, (error) => explained(error) as AppError) };
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  async head(key: string): Promise<ObjectFacts> {
    checkKey(key);
    try {
      const { headers } = await this.client.text({ method: 'HEAD', key });
      return factsOf(headers);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'storage_not_found') throw error;
      // A HEAD has no body to say what is missing. That the bucket is gone must not pass for an object that is.
      await this.client.text({ method: 'GET', query: { 'list-type': '2', 'max-keys': '1', prefix: this.client.prefix + key } });
      throw storageNotFound(key);
    }
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ObjectPage> {
    checkPrefix(prefix);
    const query = {
      'list-type': '2',
      'max-keys': String(limit),
      prefix: this.client.prefix + prefix,
      ...(after === undefined ? {} : { 'start-after': this.client.prefix + after }),
    };
    const { text } = await this.client.text({ method: 'GET', query });
    const items = elements(text, 'Contents').map((one) => ({
      key: element(one, 'Key').slice(this.client.prefix.length),
      bytes: Number(element(one, 'Size')),
      storedAt: new Date(element(one, 'LastModified')),
    }));
    const last = items.at(-1);
    return { items, ...(element(text, 'IsTruncated') === 'true' && last ? { next: last.key } : {}) };
  }

  async delete(key: string, version?: string): Promise<void> {
    checkKey(key);
    try {
      await this.client.text({ method: 'DELETE', key, query: version === undefined ? {} : { versionId: version } });
    } catch (error) {
      // Amazon's store answers 204 here, others 404.
      if (!(error instanceof AppError) || error.code !== 'storage_not_found') throw error;
    }
  }

  async capabilities(): Promise<Capabilities> {
    this.probed ??= probeS3(this.client, this.storageClass);
    try {
      return await this.probed;
    } catch (error) {
      this.probed = undefined;
      throw error;
    }
  }

  sweep(before: Date): Promise<number> {
    return this.uploads.sweep(before);
  }
}

/** From an answer that has the range that was asked for, and no other. */
function wholeLength(headers: IncomingHttpHeaders, key: string, { offset, length }: ByteRange): number {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (first === undefined) throw storageUnsupported('The store does not give parts of objects.');
  if (Number(first) !== offset || Number(last) !== offset + length - 1)
    throw storageCorrupt(`The object ${key} ends before what was asked for.`);
  return Number(total);
}
