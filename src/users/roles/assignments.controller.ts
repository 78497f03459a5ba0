import { Body, Controller, Delete, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { Requires } from '../../platform/auth/access.js';
import { RequiresRecentProof } from '../../platform/auth/recent-proof.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { AssignmentList, AssignmentView, AssignRole } from './assignment.dto.js';
import { Assignments } from './assignments.service.js';

type Assignment = Awaited<ReturnType<Assignments['assign']>>;

@Controller('users/:id/roles')
export class AssignmentsController {
  constructor(private readonly assignments: Assignments) {}

  /** Every assignment of the user's, with who made it, its limits and its end; those that expired too. */
  @Get()
  @Requires('user:read')
  async list(@Param('id', UuidPipe) id: string): Promise<AssignmentList> {
    return { items: (await this.assignments.list(id)).map(viewOf) };
  }

  /** Give the user one more role, in some networks only or for some time if you like. */
  @Post()
  @Requires('role:assign')
  @RequiresRecentProof()
  async assign(
    @Param('id', UuidPipe) id: string,
    @Body() body: AssignRole,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AssignmentView> {
    const assignment = await this.assignments.assign(id, body);
    void reply.header('location', `/api/v1/users/${id}/roles/${assignment.id}`);
    return viewOf(assignment);
  }

  /** Take one assignment away. */
  @Delete(':assignmentId')
  @HttpCode(204)
  @Requires('role:assign')
  @RequiresRecentProof()
  async remove(@Param('id', UuidPipe) id: string, @Param('assignmentId', UuidPipe) assignmentId: string): Promise<void> {
    await this.assignments.remove(id, assignmentId);
  }
}

function viewOf({ id, role, source, providerId, assignedBy, assignedAt, networks, vrfIds, expiresAt }: Assignment): AssignmentView {
  return {
    id,
    role,
    source,
    providerId,
    assignedBy,
    assignedAt: assignedAt.toISOString(),
    networks,
    vrfIds,
    expiresAt: expiresAt?.toISOString() ?? null,
  };
}
