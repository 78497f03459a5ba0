import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { RetentionPreview } from './retention-preview.service.js';
import {
  CreateRetentionPolicy,
  PatchRetentionPolicy,
  PreviewRetention,
  RetentionPoliciesView,
  RetentionPolicyView,
  RetentionPreviewView,
} from './retention.dto.js';
import { RetentionPolicies } from './retention-policies.service.js';
import { type RetentionPolicy } from './retention-rule.js';

@Controller('audit/retention')
export class RetentionController {
  constructor(
    private readonly policies: RetentionPolicies,
    private readonly preview: RetentionPreview,
  ) {}

  /** How long the trail is kept. Of the policies that match any event of a month, the longest decides. */
  @Get('policies')
  @Requires('audit-retention:read')
  async list(): Promise<RetentionPoliciesView> {
    return { items: (await this.policies.list()).map(viewOf) };
  }

  @Get('policies/:id')
  @Requires('audit-retention:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<RetentionPolicyView> {
    return view(await this.policies.get(id), reply);
  }

  /** One more policy; it holds for what is there already as well. */
  @Post('policies')
  @Requires('audit-retention:write')
  @RequiresRecentProof()
  async create(@Body() body: CreateRetentionPolicy, @Res({ passthrough: true }) reply: FastifyReply): Promise<RetentionPolicyView> {
    const policy = await this.policies.create(body);
    void reply.header('location', `/api/v1/audit/retention/policies/${policy.id}`);
    return view(policy, reply);
  }

  /** Change some fields; ask for a preview first. */
  @Patch('policies/:id')
  @Requires('audit-retention:write')
  @RequiresRecentProof()
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchRetentionPolicy,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RetentionPolicyView> {
    return view(await this.policies.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** What it matched goes by the other policies then, and stays for good where there is none. */
  @Delete('policies/:id')
  @Requires('audit-retention:write')
  @RequiresRecentProof()
  @HttpCode(204)
  remove(@Param('id', UuidPipe) id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    return this.policies.remove(id, expectedVersion(ifMatch));
  }

  /** What becomes of each closed month by the policies in force, or were they others. */
  @Post('preview')
  @HttpCode(200)
  @Requires('audit-retention:read')
  previewOf(@Body() body: PreviewRetention): Promise<RetentionPreviewView> {
    return this.preview.of(body);
  }
}

function view(policy: RetentionPolicy, reply: FastifyReply): RetentionPolicyView {
  void reply.header('etag', etagOf(policy.version));
  return viewOf(policy);
}

function viewOf(policy: RetentionPolicy): RetentionPolicyView {
  return { ...policy, createdAt: policy.createdAt.toISOString(), updatedAt: policy.updatedAt.toISOString() };
}
