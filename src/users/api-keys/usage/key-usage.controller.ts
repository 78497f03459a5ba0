import { Controller, Get, Param, Query } from '@nestjs/common';
import { Requires } from '../../../platform/auth/access.js';
import { UuidPipe } from '../../../platform/http/uuid.pipe.js';
import { KeyList } from '../key.dto.js';
import { viewOf } from '../key.view.js';
import { CandidateFilter, KeyHealthView, KeyUsageFilter, KeyUsageView } from './key-usage.dto.js';
import { UsageReports } from './usage-reports.js';

@Controller('keys')
export class KeyUsageController {
  constructor(private readonly reports: UsageReports) {}

  /** Live keys that should be rotated: old ones, those whose period has passed, and those that end soon. */
  @Get('rotation-candidates')
  @Requires('key:read')
  async rotationCandidates(@Query() { limit, offset }: CandidateFilter): Promise<KeyList> {
    return { items: (await this.reports.rotationCandidates(limit, offset)).map(viewOf) };
  }

  /** What a key did, by hours or days and by routes. Ten seconds old at most. */
  @Get(':id/usage')
  @Requires('key:read')
  async usage(@Param('id', UuidPipe) id: string, @Query() filter: KeyUsageFilter): Promise<KeyUsageView> {
    return this.reports.usageOf(id, filter);
  }

  /** How well a key is kept, from 0 to 100, with what that is made of. */
  @Get(':id/health')
  @Requires('key:read')
  async health(@Param('id', UuidPipe) id: string): Promise<KeyHealthView> {
    return this.reports.healthOf(id);
  }
}
