import { type IncomingHttpHeaders } from 'node:http';
import { type ObjectFacts, type PutOptions } from '../object-storage.js';

const METADATA = 'x-amz-meta-';
const OWN_SHA256 = 'cadastre-sha256';
const OWN_PUT = 'cadastre-put';

/** What is told about a new object besides its content. `put` tells an object of this very put from anybody else’s. */
export function headersOf(options: PutOptions, storageClass: string | undefined, put: string, sha256?: string): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream', [METADATA + OWN_PUT]: put };
  for (const [name, value] of Object.entries(options.metadata ?? {})) headers[METADATA + name] = value;
  if (sha256 !== undefined) headers[METADATA + OWN_SHA256] = sha256;
  const kept = options.storageClass ?? storageClass;
  if (kept !== undefined) headers['x-amz-storage-class'] = kept;
  if (options.lock) {
    headers['x-amz-object-lock-mode'] = options.lock.mode.toUpperCase();
    headers['x-amz-object-lock-retain-until-date'] = options.lock.until.toISOString();
  }
  return headers;
}

export function factsOf(headers: IncomingHttpHeaders): ObjectFacts {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(METADATA) && typeof value === 'string') metadata[name.slice(METADATA.length)] = value;
  const sha256 = metadata[OWN_SHA256];
  const storageClass = textOf(headers, 'x-amz-storage-class');
  return {
    etag: etagOf(headers),
    ...versionOf(headers),
    bytes: Number(headers['content-length']),
    ...(sha256 === undefined ? {} : { sha256 }),
    metadata: Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== OWN_SHA256 && name !== OWN_PUT)),
    // STANDARD is not said.
    storageClass: storageClass ?? 'STANDARD',
    storedAt: new Date(headers['last-modified'] ?? 0),
  };
}

export function putOf(headers: IncomingHttpHeaders): string | undefined {
  return textOf(headers, METADATA + OWN_PUT);
}

export function etagOf(headers: IncomingHttpHeaders): string {
  return (headers.etag ?? '').replaceAll('"', '');
}

export function versionOf(headers: IncomingHttpHeaders): { version?: string } {
  const version = textOf(headers, 'x-amz-version-id');
  // What was put before a bucket kept versions has the version null.
  return version === undefined || version === 'null' ? {} : { version };
}

function textOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
