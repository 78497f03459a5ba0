import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { AppError } from '../../kernel/app-error.js';
import { Requires } from '../../platform/auth/access.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AuditFilter } from '../log/audit-filter.dto.js';
import { CheckpointsService } from './checkpoints.service.js';
import {
  AuditKeyList,
  AuditKeyView,
  CheckpointFilter,
  CheckpointPage,
  CheckpointView,
  ConsistencyQuery,
  ConsistencyView,
  EventProofView,
  EvidenceView,
  ProvenEventView,
  TakeEvidence,
} from './evidence.dto.js';
import { type EvidenceRequest, EvidenceService } from './evidence.service.js';

@Controller('audit')
export class EvidenceController {
  constructor(
    private readonly evidence: EvidenceService,
    private readonly checkpoints: CheckpointsService,
  ) {}

  /** Proof that an event is in the signed log, as it is. */
  @Get('events/:id/proof')
  @Requires('audit:read')
  async proof(@Param('id', UuidPipe) id: string): Promise<EventProofView> {
    const { event, checkpoint, installation } = await this.evidence.proof(id);
    return { installation, class: event.log, event: ProvenEventView.of(event), checkpoint: checkpoint.note };
  }

  /** Signed checkpoints of a log, newest first. */
  @Get('checkpoints')
  @Requires('audit:read')
  async list(@Query() filter: CheckpointFilter): Promise<CheckpointPage> {
    const { items, next } = await this.checkpoints.list(filter.class, filter.after, filter.limit);
    return { items: items.map((checkpoint) => CheckpointView.of(checkpoint)), next };
  }

  /** Proof that a log at one size is the beginning of the same log at another. */
  @Get('consistency')
  @Requires('audit:read')
  async consistency(@Query() { class: name, from, to }: ConsistencyQuery): Promise<ConsistencyView> {
    const path = await this.evidence.consistency(name, from, to);
    return { class: name, from, to, path: path.map((hash) => hash.toString('base64')) };
  }

  /** The public keys the log was ever signed with. */
  @Get('keys')
  @Requires('audit:read')
  async keys(): Promise<AuditKeyList> {
    const { installation, keys } = await this.checkpoints.keys();
    return { installation, items: keys.map((key) => AuditKeyView.of(key, installation)) };
  }

  /** Events with their proofs, in one file that verify-evidence.mjs checks anywhere. */
  @Post('evidence')
  @HttpCode(200)
  @Requires('audit:read')
  async take(@Body() body: TakeEvidence, @Res({ passthrough: true }) reply: FastifyReply): Promise<EvidenceView> {
    const { ids, consistentWith, filter } = wanted(body);
    const evidence = EvidenceView.of(await this.evidence.take({ ids, filter, consistentWith }));
    void reply.header('content-disposition', `attachment; filename="evidence-${evidence.id}.json"`);
    return evidence;
  }
}

/** Throws `ids_or_filter`. */
function wanted(body: TakeEvidence): EvidenceRequest {
  const given = Object.entries(body).filter(([, value]) => value !== undefined && value !== null);
  const members = Object.fromEntries(given.filter(([name]) => !['ids', 'consistentWith'].includes(name)));
  const filtered = Object.keys(members).length > 0;
  if (filtered === (body.ids?.length !== undefined))
    throw AppError.field('/ids', 'ids_or_filter', 'Name either events by their ids, or what is to be found.');
  return {
    ids: body.ids ?? undefined,
    filter: filtered ? Object.assign(new AuditFilter(), members) : undefined,
    consistentWith: body.consistentWith ?? [],
  };
}
