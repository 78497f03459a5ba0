import { Injectable } from '@nestjs/common';
import { errorSummary } from '../../platform/jobs/job-error.js';
import { Log } from '../../platform/logging/log.js';
import { type Anchor, type PublishedCheckpoint } from './anchor.js';
import { AnchoringRepository } from './anchoring.repository.js';
import { FileAnchor } from './file-anchor.js';
import { LogAnchor } from './log-anchor.js';
import { WebhookAnchor } from './webhook-anchor.js';

const AT_ONCE = 100;
const RETRY_MS = 10_000;

interface Line {
  anchor: Anchor;
  running: Promise<void> | undefined;
  again: boolean;
  failing: boolean;
  retry: NodeJS.Timeout | undefined;
}

/** Publishes checkpoints once they are committed, to every anchor in its own time: one that fails or hangs holds up nothing else. */
@Injectable()
export class Anchoring {
  private readonly lines: Line[] = [];
  private stopped = false;

  constructor(
    private readonly stored: AnchoringRepository,
    private readonly log: Log,
    files: FileAnchor,
    lines: LogAnchor,
    webhook: WebhookAnchor,
  ) {
    for (const anchor of [files, lines, ...(webhook.configured ? [webhook] : [])]) this.add(anchor);
  }

  /** One more place. It gets every checkpoint that it has not got, also those from before. */
  add(anchor: Anchor): void {
    this.lines.push({ anchor, running: undefined, again: false, failing: false, retry: undefined });
  }

  get names(): string[] {
    return this.lines.filter(({ anchor }) => anchor.isEnabled()).map(({ anchor }) => anchor.name);
  }

  /** Something may be waiting. Returns at once. */
  wake(): void {
    for (const line of this.lines) {
      line.again = true;
      this.start(line);
    }
  }

  /** Resolves when nothing is being published. */
  async settled(): Promise<void> {
    this.stopped = true;
    for (const { running } of this.lines) await running;
    for (const { retry } of this.lines) clearTimeout(retry);
  }

  private start(line: Line): void {
    if (line.running || line.retry || this.stopped || !line.anchor.isEnabled()) return;
    line.running = this.work(line).finally(() => {
      line.running = undefined;
      if (line.again) this.start(line);
    });
  }

  private async work(line: Line): Promise<void> {
    try {
      while (line.again && !this.stopped) {
        line.again = false;
        // One that was full may have more.
        if (await this.publish(line.anchor)) line.again = true;
      }
      line.failing = false;
    } catch (error) {
      if (!line.failing) this.log.error('audit checkpoints cannot be anchored', { anchor: line.anchor.name, error });
      line.failing = line.again = true;
      line.retry = setTimeout(() => {
        line.retry = undefined;
        this.start(line);
      }, RETRY_MS).unref();
    }
  }

  private async publish(anchor: Anchor): Promise<boolean> {
    const waiting = await this.stored.waiting(anchor.name, AT_ONCE);
    const logs = [...new Set(waiting.map((checkpoint) => checkpoint.class))];
    const ends = await Promise.allSettled(
      logs.map((ofClass) =>
        this.publishLog(
          anchor,
          ofClass,
          waiting.filter((checkpoint) => checkpoint.class === ofClass),
        ),
      ),
    );
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    return waiting.length >= AT_ONCE;
  }

  /** One log in its order: one that fails holds up no other. */
  private async publishLog(anchor: Anchor, ofClass: number, waiting: readonly PublishedCheckpoint[]): Promise<void> {
    let last: number | undefined;
    const noted = async (): Promise<void> => {
      if (last !== undefined) await this.stored.published(anchor.name, ofClass, last);
    };
    try {
      for (const checkpoint of waiting) {
        await anchor.publish(checkpoint);
        last = checkpoint.number;
      }
    } catch (error) {
      await noted();
      await this.stored.failed(anchor.name, ofClass, errorSummary(error));
      throw error;
    }
    await noted();
  }
}
