import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/app-error.js';
import { type FileKind, fileKinds } from './import-files.js';
import { type ImportFiles } from './imports.service.js';

interface Upload {
  files: ImportFiles;
  dryRun: boolean;
}

/**
 * Spools the parts of a multipart request to files, which are gone when `work` ends, however it ends: whatever the size, memory stays flat,
 * and nothing is stored before all of it has arrived. Throws `unsupported_media_type`, `unknown_part`, `part_twice`, `no_files`.
 */
export async function withUpload<T>(request: FastifyRequest, dryRun: boolean, work: (upload: Upload) => Promise<T>): Promise<T> {
  if (!request.isMultipart()) throw new AppError('unsupported_media', 'unsupported_media_type', 'Send the files as multipart/form-data.');
  const folder = await mkdtemp(path.join(tmpdir(), 'cadastre-import-'));
  try {
    const upload: Upload = { files: {}, dryRun };
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        readField(upload, part.fieldname, part.value);
        continue;
      }
      const kind = kindOf(part.fieldname);
      if (upload.files[kind] !== undefined) throw partError(kind, 'part_twice', `The file ${kind} was sent twice.`);
      const file = path.join(folder, kind);
      await pipeline(part.file, createWriteStream(file, { mode: 0o600 }));
      if (part.file.truncated) throw new AppError('too_large', 'body_too_large', `The file ${kind} is larger than this server accepts.`);
      upload.files[kind] = file;
    }
    if (Object.keys(upload.files).length === 0)
      throw new AppError('unprocessable', 'no_files', `Send at least one of the files ${fileKinds.join(', ')}.`);
    // Longer than a silent connection is kept otherwise; the next request on it has its limit again.
    request.raw.socket.setTimeout(0);
    return await work(upload);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function readField(upload: Upload, name: string, value: unknown): void {
  if (name !== 'dryRun') throw partError(name, 'unknown_part', `There is no field ${name}.`);
  if (value !== 'true' && value !== 'false') throw partError('dryRun', 'is_boolean', 'dryRun must be true or false.');
  upload.dryRun = value === 'true';
}

function kindOf(name: string): FileKind {
  const kind = fileKinds.find((known) => known === name);
  if (!kind) throw partError(name, 'unknown_part', `There is no file ${name}: send ${fileKinds.join(', ')}.`);
  return kind;
}

function partError(name: string, code: string, detail: string): AppError {
  return AppError.field(`/${name.slice(0, 100)}`, code, detail.slice(0, 300));
}
