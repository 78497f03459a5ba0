import { AppError } from '../../kernel/app-error.js';

/** What PostgreSQL says of a failed statement; `pg` and TypeORM's QueryFailedError both carry it. */
export interface PgError extends Error {
  code: string;
  constraint?: string;
  detail?: string;
  table?: string;
  column?: string;
  hint?: string;
}

export function asPgError(error: unknown): PgError | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('driverError' in error) return asPgError(error.driverError);
  return 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? (error as PgError) : undefined;
}

/** Lost to another transaction through no fault of the caller: the whole unit of work may be tried again. */
export function isRetryable(error: unknown): boolean {
  const code = asPgError(error)?.code;
  return code === '40001' || code === '40P01';
}

/** The connection went away (server restart, killed backend, network): the statement may be tried on another one if nothing was begun. */
export function isConnectionLoss(error: unknown): boolean {
  const code = asPgError(error)?.code;
  if (code !== undefined) return code.startsWith('08') || code === '57P01' || code === '57P02' || code === '57P03';
  if (!(error instanceof Error)) return false;
  return (
    /Connection terminated|Client has encountered a connection error|server closed the connection/.test(error.message) ||
    ('code' in error && ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT'].includes(String(error.code)))
  );
}

const CONSTRAINTS: Record<string, () => AppError> = {};

/** Says what a constraint means. The constraint's name is the database's interface; each module registers its own. */
export function explainConstraint(name: string, explain: () => AppError): void {
  CONSTRAINTS[name] = explain;
}

/**
 * The domain's word for a database error, or undefined when it is a fault of ours.
 * Functions of ours raise SQLSTATE CD403, CD404, CD409 or CD422 with the code as message, the sentence as detail, and JSON as hint.
 */
export function explainPgError(error: unknown): AppError | undefined {
  const pg = asPgError(error);
  if (!pg) return isConnectionLoss(error) || isPoolTimeout(error) ? unavailable(error) : undefined;
  if (pg.code.startsWith('CD')) return fromRaise(pg);
  if (pg.constraint !== undefined) {
    const explain = CONSTRAINTS[pg.constraint];
    if (explain) return explain();
  }
  switch (pg.code) {
    case '22P02':
    case '22003':
    case '22P05':
    case '22021':
      return new AppError('unparsable', 'bad_value', 'A value cannot be read as what it should be.', { cause: error });
    // A row that a limited right's view does not show (WITH CHECK OPTION).
    case '44000':
      return new AppError('forbidden', 'outside_networks', 'This is outside of the networks your right to it is limited to.', {
        cause: error,
      });
    case '23514':
    case '23502':
      return new AppError(
        'unprocessable',
        'constraint_violated',
        `A rule of the database refuses this: ${pg.constraint ?? pg.column ?? pg.code}.`,
        { cause: error },
      );
    case '23505':
    case '23P01':
    case '23503':
      return new AppError('conflict', 'constraint_violated', `This conflicts with what is stored: ${pg.constraint ?? pg.code}.`, {
        cause: error,
      });
    case '40001':
    case '40P01':
    case '55P03':
      return new AppError('unavailable', 'busy', 'Others are changing the same rows; try again.', { retryAfterSeconds: 1, cause: error });
    case '57014':
      return new AppError('unavailable', 'timed_out', 'The database took too long; try again or ask for less.', {
        retryAfterSeconds: 1,
        cause: error,
      });
    case '53300':
      return unavailable(error);
    default:
      return isConnectionLoss(error) ? unavailable(error) : undefined;
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'database_unavailable', 'The database cannot be reached right now.', { retryAfterSeconds: 2, cause });
}

function isPoolTimeout(error: unknown): boolean {
  return error instanceof Error && error.message.includes('timeout exceeded when trying to connect');
}

const RAISED = { CD403: 'forbidden', CD404: 'not_found', CD409: 'conflict', CD422: 'unprocessable' } as const;

function fromRaise(pg: PgError): AppError {
  const kind = RAISED[pg.code as keyof typeof RAISED];
  const meta = pg.hint === undefined || pg.hint === '' ? {} : (JSON.parse(pg.hint) as Record<string, unknown>);
  const { pointer, ...rest } = meta;
  const detail = pg.detail ?? pg.message;
  return new AppError(kind, pg.message, detail, {
    meta: rest,
    ...(typeof pointer === 'string' ? { errors: [{ pointer, code: pg.message, detail }] } : {}),
  });
}
