import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The figures of this process, in Prometheus' form. One registry an application, so that several in one process do not mix. */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  private readonly registers = [this.registry];

  private readonly requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the first byte of a request to the last of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: this.registers,
  });
  private readonly jobsFinished = new Counter({
    name: 'jobs_finished_total',
    help: 'Attempts at jobs that ended in this process, by outcome: done, failed (will be tried again), dead, lost.',
    labelNames: ['name', 'outcome'],
    registers: this.registers,
  });
  private readonly jobDuration = new Histogram({
    name: 'job_duration_seconds',
    help: 'Time an attempt at a job took.',
    labelNames: ['name'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800],
    registers: this.registers,
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** `route` is the pattern, never the URL: the number of series stays that of the routes. */
  requestServed(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status: `${Math.floor(status / 100)}xx` }, seconds);
  }

  jobFinished(name: string, outcome: string, seconds: number): void {
    this.jobsFinished.inc({ name, outcome });
    this.jobDuration.observe({ name }, seconds);
  }

  /** A figure that is looked up when it is asked for, and absent when that fails: the others are wanted most when the database is away. */
  gauge(name: string, help: string, labelNames: string[], read: () => Reading[] | Promise<Reading[]>): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: this.registers,
      async collect() {
        this.reset();
        try {
          for (const { labels, value } of await read()) this.set(labels, value);
        } catch {
          this.reset();
        }
      },
    });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}

interface Reading {
  labels: Record<string, string>;
  value: number;
}
