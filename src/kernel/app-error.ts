/** What can go wrong, in the domain's words. HTTP statuses are given to them in one place, platform/http/problem.ts. */
export type AppErrorKind =
  | 'unparsable'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'precondition_failed'
  | 'precondition_required'
  | 'too_large'
  | 'unsupported_media'
  | 'unprocessable'
  | 'locked'
  | 'too_many'
  | 'unsupported'
  | 'unavailable';

/** One field that was refused: `pointer` is an RFC 6901 JSON pointer into the body, or `?name` for a query parameter. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

interface AppErrorExtras {
  errors?: FieldError[];
  /** Members added to the problem document, such as the id of the row that won a conflict. */
  meta?: Record<string, unknown>;
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** An outcome the caller is told about. `code` is stable and documented; `detail` is for a person; `cause` goes to the log only. */
export class AppError extends Error {
  readonly errors: FieldError[] | undefined;
  readonly meta: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly kind: AppErrorKind,
    readonly code: string,
    detail: string,
    extras: AppErrorExtras = {},
  ) {
    super(detail, { cause: extras.cause });
    this.name = 'AppError';
    this.errors = extras.errors;
    this.meta = extras.meta;
    this.retryAfterSeconds = extras.retryAfterSeconds;
  }

  static notFound(noun: string, id: string): AppError {
    return new AppError('not_found', `${noun}_not_found`, `There is no ${noun.replaceAll('_', ' ')} ${id}.`);
  }

  static conflict(code: string, detail: string, meta?: Record<string, unknown>): AppError {
    return new AppError('conflict', code, detail, meta ? { meta } : {});
  }

  /** The same about a member of what was sent: its fields lie there. */
  within(pointer: string): AppError {
    const { errors = [], meta, retryAfterSeconds, cause } = this;
    return new AppError(this.kind, this.code, this.message, {
      errors: errors.map((field) => ({ ...field, pointer: `${pointer}${field.pointer}` })),
      ...(meta ? { meta } : {}),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      cause,
    });
  }

  /** Well-formed but refused, because of one field. */
  static field(pointer: string, code: string, detail: string): AppError {
    return new AppError('unprocessable', code, detail, { errors: [{ pointer, code, detail }] });
  }
}
