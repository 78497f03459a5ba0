import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Metrics } from '../../platform/metrics/metrics.js';
import { Anchoring } from './anchoring.js';
import { AnchoringRepository } from './anchoring.repository.js';

/** The figures that tell whether the log is still sealed, and whether what was signed has left the database. */
@Injectable()
export class SealingGauges implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly anchoring: Anchoring,
    private readonly stored: AnchoringRepository,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge(
      'audit_checkpoint_age_seconds',
      'How long ago a checkpoint last said how large an audit log is.',
      ['log'],
      async () => (await this.stored.checkpointAges()).map(({ log, seconds }) => ({ labels: { log }, value: seconds })),
    );
    this.metrics.gauge('audit_anchor_lag_seconds', 'How long the oldest checkpoint has waited to be anchored.', ['anchor'], async () =>
      Promise.all(this.anchoring.names.map(async (anchor) => ({ labels: { anchor }, value: await this.stored.lagSeconds(anchor) }))),
    );
  }
}
