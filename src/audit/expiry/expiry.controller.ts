import { Controller, Get } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { ExpiriesView } from './expiry.dto.js';
import { ExpiryRuns } from './expiry-runs.js';

@Controller('audit/retention')
export class ExpiryController {
  constructor(private readonly runs: ExpiryRuns) {}

  /** What else expires, and what would go now. Changes nothing. */
  @Get('expiries')
  @Requires('audit-retention:read')
  async list(): Promise<ExpiriesView> {
    return { items: (await this.runs.due()).map((due) => ({ ...due, before: due.before.toISOString() })) };
  }
}
