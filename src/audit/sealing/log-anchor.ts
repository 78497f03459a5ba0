import { Injectable } from '@nestjs/common';
import { Log } from '../../platform/logging/log.js';
import { Anchor, type PublishedCheckpoint } from './anchor.js';

/** One line of the program's log a checkpoint: wherever logs are collected, the database's owner may not reach. */
@Injectable()
export class LogAnchor extends Anchor {
  readonly name = 'log';

  constructor(private readonly log: Log) {
    super();
  }

  publish({ log, number, size, note }: PublishedCheckpoint): Promise<void> {
    this.log.info('audit checkpoint', { log, number, size, note });
    return Promise.resolve();
  }
}
