import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Metrics } from '../../platform/metrics/metrics.js';
import { ReadBuffer } from './read-buffer.js';
import { Spool } from './spool.js';

@Injectable()
export class ReadGauges implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly buffer: ReadBuffer,
    private readonly spool: Spool,
  ) {}

  onModuleInit(): void {
    const gauge = (name: string, help: string, value: () => number | Promise<number>): void => {
      this.metrics.gauge(name, help, [], async () => [{ labels: {}, value: await value() }]);
    };
    gauge('audit_reads_buffered', 'Reads that wait to be written to the trail.', () => this.buffer.state.buffered);
    gauge('audit_reads_spooled_bytes', 'Reads on the disk that wait for the database.', () => this.spool.bytes());
    gauge('audit_reads_lost', 'Reads that neither the database nor the spool took, since the start.', () => this.buffer.state.lost);
  }
}
