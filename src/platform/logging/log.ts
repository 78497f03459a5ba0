import { Injectable, type LoggerService } from '@nestjs/common';
import { destination, type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { AppConfig } from '../../config/app-config.js';
import { toJson } from '../../kernel/canonical-json.js';
import { currentContext } from '../context/request-context.js';
import { redact, redactText } from './redaction.js';

/** Structured logs: one JSON object a line, with the request id of whatever is being served; secrets redacted by name at any depth. */
@Injectable()
export class Log {
  private readonly pino: Logger;

  constructor(config: AppConfig, stream?: DestinationStream) {
    const out =
      stream ??
      (config.log.pretty
        ? pretty({ colorize: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', sync: true })
        : destination({ sync: false }));
    this.pino = pino({ level: config.log.level, base: {}, timestamp: pino.stdTimeFunctions.isoTime }, out);
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.write('debug', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.write('info', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.write('warn', message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.write('error', message, fields);
  }

  /** Writes what is still buffered. */
  flush(): void {
    this.pino.flush();
  }

  /** What Nest says of itself, in the same form. */
  asNestLogger(): LoggerService {
    const text = (message: unknown): string =>
      typeof message === 'string' ? message : message instanceof Error ? message.message : JSON.stringify(message);
    return {
      log: (message, context) => {
        this.debug(text(message), { context: text(context) });
      },
      debug: (message, context) => {
        this.debug(text(message), { context: text(context) });
      },
      verbose: (message, context) => {
        this.debug(text(message), { context: text(context) });
      },
      warn: (message, context) => {
        this.warn(text(message), { context: text(context) });
      },
      error: (message, stack) => {
        this.error(text(message), { stack: text(stack) });
      },
      fatal: (message, stack) => {
        this.error(text(message), { stack: text(stack) });
      },
    };
  }

  private write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown> = {}): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const { error, ...rest } = fields;
    const context = currentContext();
    this.pino[level](
      {
        ...(context ? { requestId: context.requestId } : {}),
        ...(redact(toJson(rest)) as Record<string, unknown>),
        ...(error instanceof Error ? { error: described(error) } : error === undefined ? {} : { error: JSON.stringify(error) }),
      },
      message,
    );
  }
}

const CAUSES = 5;

/** What of an error is for the log. Not what libraries attach to it: TypeORM, for one, the parameters of the statement that failed. */
function described(error: Error, depth = 0): Record<string, unknown> {
  return {
    type: error.name,
    message: redactText(error.message),
    ...('code' in error ? { code: error.code } : {}),
    stack: redactText(error.stack ?? ''),
    ...(error.cause instanceof Error && depth < CAUSES ? { cause: described(error.cause, depth + 1) } : {}),
  };
}
