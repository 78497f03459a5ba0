import { AppError } from '../kernel/app-error.js';
import { asPgError, explainPgError } from '../platform/database/pg-error.js';
import { EmbeddedPostgresError } from '../platform/database/embedded/embedded-error.js';

/** What an error means to whoever runs a command, and what to do about it; undefined when it is a defect of ours, which shows its stack. */
export function explain(error: unknown): string | undefined {
  if (error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof AppError) return error.message;
  const pg = asPgError(error);
  if (pg) return explainServer(pg.code, pg.message) ?? explainPgError(error)?.message;
  const code = codeOf(error);
  if (code === 'EADDRINUSE')
    return `The port is taken: another program listens on it (${messageOf(error)}).\nStop that program, or set CADASTRE_PORT to another port (0 takes a free one).`;
  if (code === 'EACCES' && messageOf(error).includes('listen'))
    return `This user may not listen there (${messageOf(error)}).\nSet CADASTRE_PORT to a port of 1024 or above.`;
  if (code === 'EADDRNOTAVAIL')
    return `No interface of this machine has that address (${messageOf(error)}).\nSet CADASTRE_HOST to one it has, such as 127.0.0.1.`;
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET'].includes(code ?? ''))
    return `The database cannot be reached (${messageOf(error)}).\nStart it, or correct DATABASE_URL; without that variable an embedded one is started.`;
  if (/timeout (exceeded|expired)|Connection terminated/.test(messageOf(error)))
    return `The database does not answer (${messageOf(error)}).\nStart it, or correct DATABASE_URL.`;
  return undefined;
}

function explainServer(code: string, message: string): string | undefined {
  switch (code) {
    case '28P01':
    case '28000':
      return `The database refuses the login: ${message}.\nCorrect the user and password in DATABASE_URL and DATABASE_DIRECT_URL.`;
    case '3D000':
      return `${message}.\nCreate it, or correct DATABASE_URL.`;
    case '42501':
      return `The database refuses: ${message}.\nMigrations need the schema's owner: set DATABASE_DIRECT_URL to it.`;
    case '57P03':
      return `The database is not ready: ${message}.\nTry again in a moment.`;
    case '42P01':
      return `The database is not migrated: ${message}.\nRun \`cadastre migration up\`.`;
    default:
      return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  // pg reports a host with several addresses as one error of several causes.
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
