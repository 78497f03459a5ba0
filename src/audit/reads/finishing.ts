import { type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AskedThread, threadScript } from '../../kernel/asked-thread.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { Log } from '../../platform/logging/log.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { type Draft } from '../trail/draft.js';
import { packed, type PackedLeaves } from '../trail/inbox-rows.js';

const THREAD = threadScript(import.meta.url, 'finishing-thread.js', '../../../dist/src/audit/reads');
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };
/** Fewer are finished sooner than they are handed over. */
const WORTH_A_THREAD = 8;

export interface FinishingOrder {
  drafts: readonly Draft[];
  writer: KeyObject;
}

/** Encrypts, hashes and authenticates events that come in numbers, beside the thread that serves requests. */
@Injectable()
export class Finishing {
  private thread: AskedThread | undefined;

  constructor(
    private readonly trail: AuditTrail,
    private readonly keys: KeyStore,
    private readonly log: Log,
  ) {}

  async packed(drafts: readonly Draft[]): Promise<PackedLeaves> {
    if (drafts.length < WORTH_A_THREAD) return packed(this.trail.finished(drafts));
    try {
      const order: FinishingOrder = { drafts, writer: this.keys.auditWriter };
      return await this.running().ask<PackedLeaves>(order);
    } catch (error) {
      this.log.error('the thread for events has ended: they are finished here', { error });
      return packed(this.trail.finished(drafts));
    }
  }

  /** Should more come nevertheless, another thread is started. */
  async close(): Promise<void> {
    await this.thread?.end();
  }

  private running(): AskedThread {
    if (this.thread && !this.thread.isOver) return this.thread;
    this.thread = new AskedThread(THREAD, LIMITS);
    return this.thread;
  }
}
