import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { EraseSubject, SubjectView } from './erasure.dto.js';
import { Erasure } from './erasure.service.js';

@Controller('audit/subjects')
export class ErasureController {
  constructor(private readonly erasure: Erasure) {}

  /** What the trail has of one person, and whether it could be erased. Asking is an event. */
  @Get(':id')
  @Requires('audit-erasure:write')
  async get(@Param('id', UuidPipe) id: string): Promise<SubjectView> {
    return SubjectView.of(await this.erasure.look(id));
  }

  /** Destroys the keys of what the trail says of a person. Nothing brings it back; every proof goes on holding. */
  @Post(':id/erasure')
  @HttpCode(202)
  @RequiresRecentProof()
  @Requires('audit-erasure:write')
  async erase(@Param('id', UuidPipe) id: string, @Body() { reason }: EraseSubject): Promise<SubjectView> {
    return SubjectView.of(await this.erasure.erase(id, reason));
  }
}
