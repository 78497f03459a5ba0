import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { Idempotency } from '../../platform/http/idempotency.js';
import { BulkReport, BulkRequest } from './bulk.dto.js';
import { BulkAllocations } from './bulk-allocations.js';

@Controller('ipam/allocations')
export class BulkController {
  constructor(
    private readonly bulk: BulkAllocations,
    private readonly idempotency: Idempotency,
  ) {}

  /** Allocate and release up to 500 addresses, with a result for each: what can be done is done. */
  @Post('bulk')
  @HttpCode(200)
  @Requires('allocation:write')
  async run(@Body() body: BulkRequest, @Headers('idempotency-key') key: string | undefined): Promise<BulkReport> {
    // A rehearsal rolls its transaction back, and the key with it; there is nothing to remember either.
    return this.idempotency.once(body.dryRun === true ? undefined : key, body, () => this.bulk.run(body));
  }
}
