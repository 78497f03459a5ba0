import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../database/unit-of-work.js';
import { JobRepository } from '../jobs/job.repository.js';
import { Metrics } from './metrics.js';

/** Figures that live in the connection pool and in the jobs table. */
@Injectable()
export class DatabaseGauges implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly work: UnitOfWork,
    private readonly jobs: JobRepository,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge('database_pool_connections', 'Connections of this process, and callers waiting for one.', ['state'], () => {
      const { total, idle, waiting } = this.work.poolState;
      return Object.entries({ total, idle, waiting }).map(([state, value]) => ({ labels: { state }, value }));
    });
    this.metrics.gauge('jobs', 'Jobs that are not done, by name and state.', ['name', 'state'], async () =>
      (await this.jobs.unfinished()).map(({ name, state, count }) => ({ labels: { name, state }, value: count })),
    );
  }
}
