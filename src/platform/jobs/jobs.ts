import { Injectable } from '@nestjs/common';
import { toJson } from '../../kernel/canonical-json.js';
import { Clock } from '../../kernel/clock.js';
import { currentContext } from '../context/request-context.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { JobRepository } from './job.repository.js';

interface SendOptions {
  /** Not before; now when absent. */
  runAt?: Date;
  /** After so many failures the job is dead; 5 when absent, 100 at most. */
  maxAttempts?: number;
}

/** A timer may fire a little before the moment it was set for. */
const EARLY_MS = 1000;

/** Sends durable jobs. */
@Injectable()
export class Jobs {
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly work: UnitOfWork,
    private readonly repository: JobRepository,
    private readonly clock: Clock,
  ) {}

  /** Sends a job and returns its id. Inside a unit of work it is sent when that commits, and never when it rolls back. */
  async send(name: string, payload: object = {}, options: SendOptions = {}): Promise<string> {
    const id = await this.repository.insert({ name, payload: toJson(payload), requestId: currentContext()?.requestId, ...options });
    if (id === undefined) throw new Error('A job without fire_at was taken for a repetition.');
    this.announce();
    return id;
  }

  /**
   * Sends the job of the current slot of a schedule, unless another instance has: whatever their number, it runs once.
   * Slots are `everyMs` long and counted from 1970, so instances agree on them. Returns whether it was this one.
   */
  async tick(name: string, everyMs: number): Promise<boolean> {
    const now = this.clock.now().getTime() + Math.min(EARLY_MS, everyMs / 10);
    const fireAt = new Date(now - (now % everyMs));
    const id = await this.repository.insert({ name, payload: {}, requestId: undefined, fireAt });
    if (id !== undefined) this.announce();
    return id !== undefined;
  }

  /** Calls `listener` after each commit of this process that sent a job. */
  onSent(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** The worker of this process need not wait for its next poll. */
  announce(): void {
    this.work.afterCommit(() => {
      for (const listener of this.listeners) listener();
    });
  }
}
