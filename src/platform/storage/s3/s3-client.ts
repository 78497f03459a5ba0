import { createHash } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../../kernel/app-error.js';
import { type Clock } from '../../../kernel/clock.js';
import { type Outbound } from '../../outbound/outbound.js';
import { storageDenied, storageUnavailable } from '../storage-error.js';
import { refusalOf } from './s3-answer.js';
import { type S3Config } from './s3-config.js';
import { EMPTY_SHA256, encoded, SignatureV4 } from './signature-v4.js';

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** As callers know it; absent for requests about the bucket. */
  key?: string;
  query?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
  body?: S3Body;
  /** Longer than `outbound.timeoutMs`, for what the store has to think about. */
  idleMs?: number;
}

export interface S3Body {
  bytes: number;
  sha256: string;
  /** Called for each attempt; who can be read only once is sent with `attempts: 1`. */
  open(): Readable;
}

export interface S3Answer {
  status: number;
  headers: IncomingHttpHeaders;
}

const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 200;
const MOST_TEXT = 4 * 1024 * 1024;
/** Above, the store is asked first whether it wants the body. */
const ASK_FROM_BYTES = 256 * 1024;

/** Requests to one bucket: signed, checked by Outbound, tried again while the store is unavailable. Throws the codes of storage-error.ts. */
export class S3Client {
  readonly #signer: SignatureV4;
  private readonly base: URL;
  private readonly ca: string | undefined;
  readonly prefix: string;

  constructor(
    config: Pick<S3Config, 'endpoint' | 'bucket' | 'prefix' | 'pathStyle' | 'region' | 'accessKeyId' | 'secretAccessKey' | 'ca'>,
    private readonly outbound: Outbound,
    readonly clock: Clock,
  ) {
    this.#signer = new SignatureV4(config.accessKeyId, config.secretAccessKey, config.region);
    const { endpoint, bucket, pathStyle } = config;
    this.prefix = config.prefix ? `${config.prefix}/` : '';
    this.ca = config.ca;
    this.base = new URL(endpoint);
    const path = this.base.pathname.replace(/\/$/, '');
    this.base.pathname = pathStyle ? `${path}/${encoded(bucket)}` : path;
    if (!pathStyle) this.base.hostname = `${bucket}.${this.base.hostname}`;
  }

  /** The answer's whole text, which is at most 4 MiB. */
  async text(request: S3Request, attempts = ATTEMPTS): Promise<S3Answer & { text: string }> {
    return this.trying(attempts, async () => {
      const { status, headers, body } = await this.open(request);
      return { status, headers, text: await textOf(body) };
    });
  }

  async stream(request: S3Request): Promise<S3Answer & { body: Readable }> {
    return this.trying(ATTEMPTS, () => this.open(request));
  }

  private async trying<T>(attempts: number, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        const known = explained(error);
        if (attempt >= attempts || !(known instanceof AppError) || known.code !== 'storage_unavailable') throw known;
        await delay(FIRST_PAUSE_MS * 2 ** attempt * Math.random());
      }
    }
  }

  private async open({ method, key, query = {}, headers = {}, body, idleMs }: S3Request): Promise<S3Answer & { body: Readable }> {
    const url = new URL(this.base);
    if (key !== undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/${(this.prefix + key).split('/').map(encoded).join('/')}`;
    url.search = Object.entries(query)
      .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      .join('&');
    const signed = this.#signer.headers({
      method,
      url,
      headers: body ? { ...headers, 'content-length': String(body.bytes) } : headers,
      payloadSha256: body?.sha256 ?? EMPTY_SHA256,
      at: this.clock.now(),
    });
    // Proxies may change this one, so it is not signed.
    if (body && body.bytes >= ASK_FROM_BYTES) signed.expect = '100-continue';
    const sent = { method, headers: signed, pointer: '/endpoint', ca: this.ca, idleMs, body: body?.open() };
    const answer = await this.outbound.stream(url, sent);
    if (answer.status < 300) return answer;
    const xml = await textOf(answer.body);
    const retryAfter = answer.headers['retry-after'];
    throw refusalOf({ status: answer.status, retryAfter, xml }, key ?? '');
  }
}

export function bodyOf(text: string): S3Body & { md5: string } {
  const bytes = Buffer.from(text);
  const digest = (name: string): Buffer => createHash(name).update(bytes).digest();
  return {
    bytes: bytes.length,
    sha256: digest('sha256').toString('hex'),
    md5: digest('md5').toString('base64'),
    open: () => Readable.from(bytes, { objectMode: false }),
  };
}

/** Whether an answer to a completion, whose status was sent before it was known, says that it succeeded. */
export function isComplete(text: string): boolean {
  return /<CompleteMultipartUploadResult\b/.test(text);
}

/** What an error on the way to the store and back means. An error of the body's source stays what it is. */
export function explained(error: unknown): unknown {
  if (!(error instanceof AppError)) return storageUnavailable('The connection to the store broke off.', 1, error);
  if (error.code.startsWith('storage_')) return error;
  if (error.code !== 'target_unreachable') return storageDenied(error.message, error);
  if (error.cause instanceof AppError) return error.cause;
  return storageUnavailable(error.message, error.retryAfterSeconds ?? 1, error.cause);
}

async function textOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop destroys the rest, and with it what was still being sent.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_TEXT) break;
    chunks.push(chunk);
  }
  body.destroy();
  return Buffer.concat(chunks).toString();
}
