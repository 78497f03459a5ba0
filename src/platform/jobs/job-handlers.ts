import { Injectable } from '@nestjs/common';
import { type Job, type JobHandler } from './job.js';

export interface RegisteredHandler {
  handle: JobHandler;
  /** Whether the handler's effect and the job's completion are one transaction. */
  transactional: boolean;
  /** Told, inside the unit of work that buries the job, that nobody will try again. */
  died: ((job: Job) => Promise<void>) | undefined;
}

/** Which function does which job. Feature modules fill it in onModuleInit; a worker claims only what is named here. */
@Injectable()
export class JobHandlers {
  private readonly byName = new Map<string, RegisteredHandler>();

  /**
   * By default `handle` runs inside the unit of work that also completes the job: its effect happens exactly once, whatever dies.
   * With `transactional: false` it runs outside of any, may take long and use several, and may be run again after a crash: it must be idempotent.
   */
  register(name: string, handle: JobHandler, { transactional = true, died }: Partial<Omit<RegisteredHandler, 'handle'>> = {}): void {
    if (this.byName.has(name)) throw new Error(`Two handlers for job ${name}`);
    this.byName.set(name, { handle, transactional, died });
  }

  get names(): string[] {
    return [...this.byName.keys()];
  }

  for(name: string): RegisteredHandler {
    const handler = this.byName.get(name);
    if (!handler) throw new Error(`Nobody does jobs named ${name}`);
    return handler;
  }
}
