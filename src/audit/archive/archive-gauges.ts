import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Metrics } from '../../platform/metrics/metrics.js';
import { ArchiveRepository, type Month } from './archive.repository.js';

/** Whether archiving goes on, and whether what was archived is still whole. */
@Injectable()
export class ArchiveGauges implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly archive: ArchiveRepository,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge(
      'audit_archive_failing_months',
      'Months of the audit trail whose last attempt at being archived failed.',
      ['log'],
      () => this.count(({ attempts }) => attempts > 0),
    );
    this.metrics.gauge('audit_archive_broken_months', 'Archives of the audit trail that were found missing or altered.', ['log'], () =>
      this.count(({ broken }) => broken !== null),
    );
  }

  private async count(which: (month: Month) => boolean): Promise<{ labels: { log: string }; value: number }[]> {
    const months = await this.archive.months();
    return [...new Set(months.map(({ log }) => log))].map((log) => ({
      labels: { log },
      value: months.filter((month) => month.log === log && which(month)).length,
    }));
  }
}
