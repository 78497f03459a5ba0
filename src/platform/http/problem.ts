import { HttpException } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { AppError, type AppErrorKind } from '../../kernel/app-error.js';
import { explainPgError } from '../database/pg-error.js';
import { type Problem } from './problem.dto.js';

/** The one place where the domain's errors get HTTP statuses. */
const STATUS: Record<AppErrorKind, number> = {
  unparsable: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media: 415,
  unprocessable: 422,
  locked: 423,
  precondition_required: 428,
  too_many: 429,
  unsupported: 501,
  unavailable: 503,
};

const TITLES: Record<number, string> = {
  400: 'Bad request',
  401: 'Authentication required',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  412: 'Precondition failed',
  413: 'Content too large',
  414: 'URI too long',
  415: 'Unsupported media type',
  422: 'Unprocessable content',
  423: 'Locked',
  428: 'Precondition required',
  429: 'Too many requests',
  431: 'Request header fields too large',
  500: 'Internal server error',
  501: 'Not implemented',
  503: 'Service unavailable',
};

/** What an error thrown anywhere means to the domain; undefined when it is a fault of ours. */
export function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (error instanceof HttpException) return fromNest(error);
  return fromFastify(error) ?? explainPgError(error);
}

export function problemOf(error: AppError | undefined, requestId: string): Problem {
  if (!error)
    return {
      type: '/problems/internal_error',
      title: 'Internal server error',
      status: 500,
      code: 'internal_error',
      detail: `Something went wrong here. The log has the cause under ${requestId}.`,
      requestId,
    };
  const status = STATUS[error.kind];
  return {
    ...error.meta,
    type: `/problems/${error.code}`,
    title: TITLES[status] ?? 'Error',
    status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.errors ? { errors: error.errors } : {}),
  };
}

export function sendProblem(reply: FastifyReply, error: AppError | undefined, requestId: string): void {
  const problem = problemOf(error, requestId);
  if (error?.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  void reply.code(problem.status).type('application/problem+json; charset=utf-8').send(problem);
}

const KIND_OF_STATUS = new Map<number, AppErrorKind>(Object.entries(STATUS).map(([kind, status]) => [status, kind as AppErrorKind]));

function fromNest(error: HttpException): AppError | undefined {
  const status = error.getStatus();
  if (status === 404) return new AppError('not_found', 'route_not_found', 'There is no such route.');
  if (status === 401) return new AppError('unauthenticated', 'unauthenticated', 'Sign in, and send the access token as a bearer token.');
  const kind = KIND_OF_STATUS.get(status);
  return kind ? new AppError(kind, kind, error.message) : undefined;
}

/** Errors of the HTTP server itself, before any route: they carry a FST_ code and a status. */
function fromFastify(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || !('code' in error)) return undefined;
  if (error.statusCode === 413 || error.code === 'FST_REQ_FILE_TOO_LARGE')
    return new AppError('too_large', 'body_too_large', 'The body is larger than this server accepts.');
  if (error.statusCode === 415)
    return new AppError(
      'unsupported_media',
      'unsupported_media_type',
      'Send application/json, or multipart/form-data where a file is asked for.',
    );
  if (error.statusCode === 400) return new AppError('unparsable', 'unparsable_request', 'The request cannot be read.', { cause: error });
  return undefined;
}
