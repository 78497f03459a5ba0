import { createHash, createHmac } from 'node:crypto';

export interface Signed {
  method: string;
  /** With a path and a query that are encoded by `encoded` already. */
  url: URL;
  /** In lower case; all of them are signed. */
  headers: Readonly<Record<string, string>>;
  /** Of the body, in hex: the store compares it. */
  payloadSha256: string;
  at: Date;
}

/** Of nothing. */
export const EMPTY_SHA256 = createHash('sha256').digest('hex');

/**
 * AWS Signature Version 4, in its header form for S3, where the path is encoded once (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 * The secret stays inside.
 */
export class SignatureV4 {
  readonly #secret: string;

  constructor(
    private readonly accessKeyId: string,
    secretAccessKey: string,
    private readonly region: string,
  ) {
    this.#secret = secretAccessKey;
  }

  /** The headers to send: those that were given, and what makes them count. */
  headers({ method, url, headers, payloadSha256, at }: Signed): Record<string, string> {
    const time = at.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const day = time.slice(0, 8);
    const all: Record<string, string> = { ...headers, host: url.host, 'x-amz-content-sha256': payloadSha256, 'x-amz-date': time };
    const names = Object.keys(all).sort();
    const request = [
      method,
      url.pathname,
      queryOf(url),
      ...names.map((name) => `${name}:${(all[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
      '',
      names.join(';'),
      payloadSha256,
    ].join('\n');
    const scope = `${day}/${this.region}/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(request).digest('hex')].join('\n');
    const key = [day, this.region, 's3', 'aws4_request'].reduce<string | Buffer>(
      (secret, part) => hmac(secret, part),
      `AWS4${this.#secret}`,
    );
    const signature = hmac(key, text).toString('hex');
    all.authorization = `AWS4-HMAC-SHA256 Credential=${this.accessKeyId}/${scope},SignedHeaders=${names.join(';')},Signature=${signature}`;
    return all;
  }
}

/** Every byte but RFC 3986’s unreserved ones, which is stricter than encodeURIComponent. */
export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A parameter without a value is signed as if it had an empty one. */
function queryOf(url: URL): string {
  const pairs = url.search.slice(1).split('&').filter(Boolean);
  return pairs
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
