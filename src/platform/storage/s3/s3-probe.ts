import { randomUUID } from 'node:crypto';
import { AppError } from '../../../kernel/app-error.js';
import { type Capabilities } from '../object-storage.js';
import { element, xmlText } from './s3-answer.js';
import { bodyOf, type S3Client, type S3Request } from './s3-client.js';
import { etagOf, factsOf, versionOf } from './s3-headers.js';

const TRIAL_MINUTES = 2;

/**
 * What this bucket really does. Stores say yes to headers that they then ignore, so each is tried with objects of a few bytes, which are removed
 * again. Throws when the bucket cannot be written to.
 */
export async function probeS3(client: S3Client, storageClass: string | undefined): Promise<Capabilities> {
  const key = `cadastre-probe-${randomUUID()}`;
  try {
    await client.text({ method: 'PUT', key, body: bodyOf('probe') });
    return {
      createOnly: await createOnly(client, key),
      ranges: await ranges(client, key),
      objectLock: await objectLock(client),
      storageClasses: await storageClasses(client, key, storageClass),
    };
  } finally {
    await client.text({ method: 'DELETE', key }).catch(() => undefined);
  }
}

/** Tries to create what exists. */
async function createOnly(client: S3Client, key: string): Promise<Capabilities['createOnly']> {
  const headers = { 'if-none-match': '*' };
  const single = await refused(client, { method: 'PUT', key, headers, body: bodyOf('again') }, 'storage_exists');
  if (!single) return 'never';
  const { text } = await client.text({ method: 'POST', key, query: { uploads: '' } });
  const uploadId = element(text, 'UploadId');
  const part = await client.text({ method: 'PUT', key, query: { uploadId, partNumber: '1' }, body: bodyOf('again') });
  const listed = `<Part><PartNumber>1</PartNumber><ETag>&quot;${xmlText(etagOf(part.headers))}&quot;</ETag></Part>`;
  const body = bodyOf(`<CompleteMultipartUpload>${listed}</CompleteMultipartUpload>`);
  const inParts = await refused(client, { method: 'POST', key, query: { uploadId }, headers, body }, 'storage_exists');
  await client.text({ method: 'DELETE', key, query: { uploadId } }).catch(() => undefined);
  return inParts ? 'always' : 'small';
}

async function ranges(client: S3Client, key: string): Promise<boolean> {
  const { status, text } = await client.text({ method: 'GET', key, headers: { range: 'bytes=1-2' } });
  return status === 206 && text.length === 2;
}

/** Locks an object and tries to remove it. There are stores that say it is locked, and remove it. */
async function objectLock(client: S3Client): Promise<boolean> {
  if (!(await keepsLocks(client))) return false;
  const key = `cadastre-probe-${randomUUID()}`;
  const body = bodyOf('locked');
  const headers = {
    'x-amz-object-lock-mode': 'GOVERNANCE',
    'x-amz-object-lock-retain-until-date': new Date(client.clock.now().getTime() + TRIAL_MINUTES * 60_000).toISOString(),
    // Amazon takes no locked object without.
    'content-md5': body.md5,
  };
  const { version } = versionOf((await client.text({ method: 'PUT', key, headers, body })).headers);
  if (version === undefined) return false;
  const query = { versionId: version };
  const holds = await refused(client, { method: 'DELETE', key, query }, 'storage_denied');
  // Who may not do this leaves it to the lock to end; the marker hides it.
  await client.text({ method: 'DELETE', key, query, headers: { 'x-amz-bypass-governance-retention': 'true' } }).catch(() => undefined);
  return holds;
}

async function keepsLocks(client: S3Client): Promise<boolean> {
  try {
    const { text } = await client.text({ method: 'GET', query: { 'object-lock': '' } });
    return element(text, 'ObjectLockEnabled') === 'Enabled';
  } catch (error) {
    // A bucket without it is 404, a store without it 501, and somebody who may not know 403.
    if (error instanceof AppError && error.code !== 'storage_unavailable') return false;
    throw error;
  }
}

async function storageClasses(client: S3Client, key: string, configured: string | undefined): Promise<string[]> {
  if (configured === undefined || configured === 'STANDARD') return ['STANDARD'];
  const headers = { 'x-amz-storage-class': configured };
  if (await refused(client, { method: 'PUT', key, headers, body: bodyOf('class') }, 'storage_denied')) return ['STANDARD'];
  const { headers: found } = await client.text({ method: 'HEAD', key });
  return factsOf(found).storageClass === configured ? ['STANDARD', configured] : ['STANDARD'];
}

/** Whether the store refuses it with that code, rather than do it or refuse it for another reason. */
async function refused(client: S3Client, request: S3Request, code: string): Promise<boolean> {
  try {
    await client.text(request);
    return false;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === code) return true;
    if (error.code === 'storage_unsupported' || error.code === 'storage_denied') return false;
    throw error;
  }
}
