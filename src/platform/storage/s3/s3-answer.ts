import { type AppError } from '../../../kernel/app-error.js';
import { storageCorrupt, storageDenied, storageExists, storageNotFound, storageUnavailable, storageUnsupported } from '../storage-error.js';

const RETRY_AFTER_SECONDS = 5;
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The texts of all elements of that name. S3's documents nest no element in one of its own name, and have neither CDATA nor comments. */
export function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^]*?)</${name}>`, 'g'))].map(([, inner = '']) => inner);
}

export function element(xml: string, name: string): string {
  return (elements(xml, name)[0] ?? '').replaceAll(
    /&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi,
    (whole, decimal: string, hex: string, entity: string) =>
      decimal || hex ? String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16)) : (ENTITIES[entity] ?? whole),
  );
}

export function xmlText(text: string): string {
  return text.replaceAll(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

export interface Refusal {
  status: number;
  retryAfter: string | undefined;
  xml: string;
}

/** What a refusal of the store means for this key, by its error code where there is one (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
export function refusalOf({ status, retryAfter, xml }: Refusal, key: string): AppError {
  const code = element(xml, 'Code');
  const said = `The store answers ${status}${/^\w+$/.test(code) ? ` ${code}` : ''}`;
  switch (code) {
    case 'NoSuchBucket':
      return storageDenied(`${said}: there is no such bucket.`);
    case 'BadDigest':
    case 'InvalidDigest':
    case 'XAmzContentSHA256Mismatch':
    case 'XAmzContentChecksumMismatch':
      return storageCorrupt(`${said}: what arrived is not what was sent.`);
    case 'NotImplemented':
      return storageUnsupported(`${said}.`);
    // Two that write at once, where one has to come again; and connections that are too slow, which have a status of 400.
    case 'ConditionalRequestConflict':
    case 'OperationAborted':
    case 'RequestTimeout':
    case 'IncompleteBody':
      return storageUnavailable(`${said}.`, 1);
  }
  if (status === 404) return storageNotFound(key);
  if (status === 412) return storageExists(key);
  if (status === 416) return storageCorrupt(`The object ${key} ends before what was asked for.`);
  if (status === 501) return storageUnsupported(`${said}.`);
  if (status === 408 || status === 429 || status >= 500) return storageUnavailable(`${said}.`, seconds(retryAfter));
  return storageDenied(`${said}.`);
}

function seconds(retryAfter = ''): number {
  return /^\d{1,5}$/.test(retryAfter) ? Math.max(1, Number(retryAfter)) : RETRY_AFTER_SECONDS;
}
