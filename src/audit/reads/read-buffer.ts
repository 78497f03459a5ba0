import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { Log } from '../../platform/logging/log.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Draft } from '../trail/draft.js';
import { type PackedLeaves, unpacked } from '../trail/inbox-rows.js';
import { Finishing } from './finishing.js';
import { ReadsRepository } from './reads.repository.js';
import { Spool } from './spool.js';

interface Waiting {
  draft: Draft;
  at: Date;
  /** Present when an answer waits for it. */
  settle?: (refused?: AppError) => void;
}

/** Events that are nowhere: neither the database nor the spool took them. */
export interface Loss {
  from: Date;
  to: Date;
  count: number;
}

const BATCH = 500;
const EVERY_MS = 50;
/** More than this waits only when the database hangs: it goes to the spool. */
const MOST_WAITING = 5000;
/** An insert that takes longer counts as failed; should it be committed nevertheless, the spool's copy is found to be there already. */
const PATIENCE_MS = 5000;
const RETRY_AFTER_S = 5;

/**
 * Reads on their way to the trail: one insert for all that came while the last one ran, of those that nobody waits for at most every 50 ms.
 * They are let go once they are committed or on the disk.
 */
@Injectable()
export class ReadBuffer {
  private waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  private draining: Promise<void> | undefined;
  private loss: Loss | undefined;
  private lossCount = 0;
  private away = false;
  private stopping = false;
  /** Whatever request comes first: what is flushed is nobody's and joins nobody's transaction. */
  private readonly outside = AsyncLocalStorage.snapshot();

  constructor(
    private readonly trail: AuditTrail,
    private readonly finishing: Finishing,
    private readonly events: ReadsRepository,
    private readonly spool: Spool,
    private readonly log: Log,
  ) {}

  /** Within a moment. */
  batched(draft: Draft): void {
    this.waiting.push({ draft, at: new Date() });
    if (this.stopping || this.waiting.length >= BATCH) void this.drain();
    else this.timer ??= setTimeout(() => void this.drain(), EVERY_MS);
  }

  /** One that could not even be made, and that nobody waits for. */
  missed(error: unknown): void {
    this.log.error('a read cannot be written to the trail', { error });
    const at = new Date();
    this.lossCount++;
    this.giveBack({ from: at, to: at, count: 1 });
  }

  /** Resolves once it is committed or on the disk. Throws `audit_unavailable` when it can be neither. */
  async durable(draft: Draft): Promise<void> {
    const refused = await new Promise<AppError | undefined>((settle) => {
      this.waiting.push({ draft, at: new Date(), settle });
      void this.drain();
    });
    if (refused) throw refused;
  }

  /** Resolves when what waits now is let go; once this stops, when nothing waits any more. */
  async drain(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.draining && this.waiting.length > MOST_WAITING) {
      const batch = this.waiting.splice(0);
      const leaves = await this.finished(batch);
      if (leaves) await this.toSpool(batch, leaves);
      return;
    }
    this.draining ??= this.outside(() => this.drainAll());
    await this.draining;
  }

  /** From now on nothing waits for company. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.drain();
  }

  /** The database is believed to take events again. */
  back(): void {
    this.away = false;
  }

  get state(): { buffered: number; lost: number; away: boolean } {
    return { buffered: this.waiting.length, lost: this.lossCount, away: this.away };
  }

  /** What was lost and not said yet; whoever takes it says it, or gives it back. */
  takeLoss(): Loss | undefined {
    const { loss } = this;
    this.loss = undefined;
    return loss;
  }

  giveBack(loss: Loss): void {
    const { loss: known } = this;
    if (!known) this.loss = loss;
    else
      this.loss = {
        from: loss.from < known.from ? loss.from : known.from,
        to: loss.to > known.to ? loss.to : known.to,
        count: loss.count + known.count,
      };
  }

  private async drainAll(): Promise<void> {
    try {
      // All that is ready now belongs together: whoever awaits its turn comes along.
      await Promise.resolve();
      for (let due = this.waiting.length > 0; due; due = this.isPressing) {
        const batch = this.waiting.splice(0, BATCH);
        const leaves = await this.finished(batch);
        if (!leaves) continue;
        if (this.away || !(await this.insert(batch, leaves))) await this.toSpool(batch, leaves);
      }
    } finally {
      // At once: whoever comes from here on drains anew.
      this.draining = undefined;
      if (this.waiting.length > 0) this.timer ??= setTimeout(() => void this.drain(), EVERY_MS);
    }
  }

  /** Whether what has come meanwhile may not wait for company. */
  private get isPressing(): boolean {
    const { length } = this.waiting;
    return length >= BATCH || (this.stopping && length > 0) || this.waiting.some(({ settle }) => settle);
  }

  /** Undefined when they cannot be made into rows: then nobody waits for them any more. */
  private async finished(batch: readonly Waiting[]): Promise<PackedLeaves | undefined> {
    try {
      return await this.finishing.packed(batch.map(({ draft }) => draft));
    } catch (error) {
      this.refuse(batch, error);
      return undefined;
    }
  }

  private async insert(batch: readonly Waiting[], leaves: PackedLeaves): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`The database did not take them within ${PATIENCE_MS} ms.`));
      }, PATIENCE_MS);
    });
    const inserted = this.events.insert(this.spool.writer, leaves);
    try {
      await Promise.race([inserted, late]);
    } catch (error) {
      inserted.catch(() => undefined);
      if (!this.away) this.log.error('reads cannot be written to the trail: they go to the spool', { error });
      this.away = true;
      return false;
    } finally {
      clearTimeout(timer);
    }
    for (const { settle } of batch) settle?.();
    return true;
  }

  private async toSpool(batch: readonly Waiting[], leaves: PackedLeaves): Promise<void> {
    try {
      await this.spool.append(unpacked(leaves).map((leaf) => this.trail.late(leaf)));
      for (const { settle } of batch) settle?.();
    } catch (error) {
      this.refuse(batch, error);
    }
  }

  /** Reads that are refused for want of their event were not given; the others are lost. */
  private refuse(batch: readonly Waiting[], error: unknown): void {
    this.log.error('reads can be written nowhere', { error, events: batch.length });
    for (const { settle } of batch) settle?.(unavailable(error));
    const lost = batch.filter(({ settle }) => !settle);
    const [first] = lost;
    const last = lost.at(-1);
    if (!first || !last) return;
    this.lossCount += lost.length;
    this.loss = { from: this.loss?.from ?? first.at, to: last.at, count: (this.loss?.count ?? 0) + lost.length };
  }
}

function unavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'audit_unavailable', 'This may only be read when it can be recorded, and it cannot be recorded now.', {
    retryAfterSeconds: RETRY_AFTER_S,
    cause,
  });
}
