import path from 'node:path';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Log } from '../../platform/logging/log.js';
import { type AuditEvent } from '../trail/audit-event.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { packed } from '../trail/inbox-rows.js';
import { Finishing } from './finishing.js';
import { ReadBuffer } from './read-buffer.js';
import { ReadsRepository } from './reads.repository.js';
import { Spool } from './spool.js';

const BATCH = 500;
const EVERY_MS = 1000;
const ADOPT_EVERY = 60;

const ABOUT_READS = {
  category: 'meta',
  actor: { kind: 'system', id: 'system', name: 'system' },
  resource: { type: 'audit_log', id: 'reads' },
} as const;

/**
 * Brings what was spooled into the trail, in order, as soon as the database takes it, and says what was lost. What is in the database already,
 * because a process died between the commit and the removal of its segment, is not written twice.
 */
@Injectable()
export class SpoolReplay implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private turning: Promise<void> = Promise.resolve();
  private turns = 0;
  private stopping = false;
  private failing = '';

  constructor(
    private readonly buffer: ReadBuffer,
    private readonly spool: Spool,
    private readonly events: ReadsRepository,
    private readonly trail: AuditTrail,
    private readonly finishing: Finishing,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.turning = this.turn();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.turning;
    await this.buffer.stop();
  }

  /** Answers that were under way when the rest stopped. */
  async onApplicationShutdown(): Promise<void> {
    await this.buffer.drain();
    await this.spool.close();
    await this.finishing.close();
  }

  private async turn(): Promise<void> {
    try {
      if (this.turns++ % ADOPT_EVERY === 0) {
        const adopted = this.spool.adopt();
        if (adopted > 0) this.log.info('the spools of dead writers were taken over', { writers: adopted });
      }
      await this.replay();
      await this.tellLoss();
      this.buffer.back();
      this.failing = '';
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.failing !== message) this.log.warn('what was spooled cannot be brought into the trail yet', { error });
      this.failing = message;
    }
    if (this.stopping) return;
    this.timer = setTimeout(() => {
      this.turning = this.turn();
    }, EVERY_MS);
  }

  private async replay(): Promise<void> {
    if (this.spool.isEmpty) return;
    for (const segment of await this.spool.segments()) await this.replaySegment(segment);
    await this.spool.tidy();
  }

  private async replaySegment(segment: string): Promise<void> {
    const { leaves, damaged, torn } = await this.spool.read(segment);
    const writer = path.basename(path.dirname(segment));
    const lost = damaged + (torn ? 1 : 0);
    const detail = { writer, segment: path.basename(segment) };
    let late = 0;
    for (let from = 0; from < Math.max(leaves.length, 1); from += BATCH) {
      const isLast = from + BATCH >= leaves.length;
      const before = late;
      await this.events.insertMissing(writer, packed(leaves.slice(from, from + BATCH)), async (inserted) => {
        // Set, not added to: the transaction may have to run again.
        late = before + inserted;
        if (!isLast) return;
        if (late > 0)
          await this.trail.record({ ...ABOUT_READS, action: 'audit.reads_late', severity: 'low', detail: { ...detail, count: late } });
        if (lost > 0) await this.trail.record(lossEvent({ ...detail, from: null, to: null, count: lost }));
      });
    }
    await this.spool.remove(segment);
  }

  private async tellLoss(): Promise<void> {
    const loss = this.buffer.takeLoss();
    if (!loss) return;
    try {
      await this.trail.recordAlone(lossEvent({ writer: this.spool.writer, ...loss }));
    } catch (error) {
      this.buffer.giveBack(loss);
      throw error;
    }
  }
}

function lossEvent(detail: Record<string, unknown>): AuditEvent {
  return { ...ABOUT_READS, action: 'audit.reads_lost', severity: 'high', outcome: 'failure', detail };
}
