import { hasCode } from './files.js';

/** A start that cannot go on. `message` holds both sentences, so that whoever prints only it still tells the reader what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    problem: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${problem}\n${remedy}`, options);
  }
}

/** Another server, which every remedy may fall back on. */
export const orUseAnotherServer = 'or set DATABASE_URL to a PostgreSQL 18 server of your own';

/** Gives a failed file operation below `directory` its remedy; an error that has one already, or is a defect of ours, passes unchanged. */
export function explainFileError(error: unknown, directory: string): unknown {
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return diskFull(directory, error);
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST')) {
    return new EmbeddedPostgresError(
      `The folder of the embedded PostgreSQL, ${directory}, cannot be read and written: ${error.message}.`,
      `Give the user that starts Cadastre full access to it (or set CADASTRE_VAR_DIR to a folder it owns), ${orUseAnotherServer}.`,
      { cause: error },
    );
  }
  return error;
}

/** How PostgreSQL words a full disk; a write cut short comes without the system's own phrase. */
export function saysDiskFull(output: string): boolean {
  return /No space left on device|Disk quota exceeded|Check free disk space/.test(output);
}

export function diskFull(directory: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The disk that holds ${directory} is full, so the embedded PostgreSQL cannot start.`,
    `Free some space there and start again (nothing written before is lost), ${orUseAnotherServer}.`,
    { cause },
  );
}
