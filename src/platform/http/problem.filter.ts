import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { currentContext } from '../context/request-context.js';
import { Log } from '../logging/log.js';
import { asAppError, sendProblem } from './problem.js';
import { Refusals } from './refusals.js';

/** Makes every error a problem document; what is our fault is logged with its cause and answered without it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly log: Log,
    private readonly refusals: Refusals,
  ) {}

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const known = asAppError(error);
    if (!known) this.log.error('request failed', { error });
    else if (known.cause) this.log.warn('request refused', { code: known.code, error: known.cause });
    await this.refusals.refused(known).catch((cause: unknown) => {
      this.log.error('a refusal could not be recorded', { error: cause });
    });
    sendProblem(reply, known, currentContext()?.requestId ?? reply.request.id);
  }
}
