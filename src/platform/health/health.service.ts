import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { projectRoot } from '../../config/app-config.js';
import { Clock } from '../../kernel/clock.js';
import { DatabaseProbe } from './database-probe.js';
import { type HealthView, type VersionView } from './health.dto.js';

@Injectable()
export class HealthService implements OnModuleDestroy {
  private readonly manifest = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as { name: string; version: string };
  private readonly startedAt: string;
  private started = false;
  private stopping = false;

  constructor(
    private readonly probe: DatabaseProbe,
    clock: Clock,
  ) {
    this.startedAt = clock.now().toISOString();
  }

  /** From the first moment of a graceful stop: requests are still served, but no more should be sent. */
  onModuleDestroy(): void {
    this.stopping = true;
  }

  async readiness(): Promise<HealthView> {
    const checks = await this.probe.check();
    const well = checks.migrations.status === 'applied';
    if (well) this.started = true;
    return { status: this.stopping ? 'stopping' : well ? 'ready' : 'unavailable', checks };
  }

  /** Whether this process has ever been ready; what happens to the database later is readiness' business. */
  async startup(): Promise<HealthView> {
    const { checks } = await this.readiness();
    return { status: this.started ? 'ready' : 'starting', checks };
  }

  version(): VersionView {
    return { name: this.manifest.name, version: this.manifest.version, startedAt: this.startedAt };
  }
}
