import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { AppError } from '../../kernel/app-error.js';
import { Requires } from '../../platform/auth/access.js';
import { cursorOf, keyOf } from '../../platform/http/cursor.js';
import { etagOf, expectedVersion } from '../../platform/http/etag.js';
import { UuidPipe } from '../../platform/http/uuid.pipe.js';
import { type Entry, type WorkSession } from './work-session.js';
import {
  AppendMessage,
  CreateWorkSession,
  EntryFilter,
  PatchWorkSession,
  RecordExecution,
  WorkSessionEntryPage,
  WorkSessionEntryView,
  WorkSessionFilter,
  WorkSessionPage,
  WorkSessionView,
} from './work-session.dto.js';
import { WorkSessionsService } from './work-sessions.service.js';

@Controller('work-sessions')
export class WorkSessionsController {
  constructor(private readonly sessions: WorkSessionsService) {}

  /** Begin a work session. */
  @Post()
  @Requires('work-session:write')
  async create(@Body() body: CreateWorkSession, @Res({ passthrough: true }) reply: FastifyReply): Promise<WorkSessionView> {
    const session = await this.sessions.create(body);
    void reply.header('location', `/api/v1/work-sessions/${session.id}`);
    return view(session, reply);
  }

  /** Yours, the latest first. */
  @Get()
  @Requires('work-session:read')
  async list(@Query() filter: WorkSessionFilter): Promise<WorkSessionPage> {
    const { items, total } = await this.sessions.list(filter);
    return { items: items.map(viewOf), total };
  }

  @Get(':id')
  @Requires('work-session:read')
  async get(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<WorkSessionView> {
    return view(await this.sessions.get(id), reply);
  }

  /** Rename it, or put another context in its place. */
  @Patch(':id')
  @Requires('work-session:write')
  async patch(
    @Param('id', UuidPipe) id: string,
    @Body() body: PatchWorkSession,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkSessionView> {
    return view(await this.sessions.patch(id, body, expectedVersion(ifMatch)), reply);
  }

  /** End it: nothing is added until it is resumed. */
  @Post(':id/end')
  @HttpCode(200)
  @Requires('work-session:write')
  async end(
    @Param('id', UuidPipe) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<WorkSessionView> {
    return view(await this.sessions.end(id, expectedVersion(ifMatch)), reply);
  }

  /** Open an ended one again. */
  @Post(':id/resume')
  @HttpCode(200)
  @Requires('work-session:write')
  async resume(@Param('id', UuidPipe) id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<WorkSessionView> {
    return view(await this.sessions.resume(id), reply);
  }

  /** Add a message. */
  @Post(':id/messages')
  @Requires('work-session:write')
  async say(@Param('id', UuidPipe) id: string, @Body() body: AppendMessage): Promise<WorkSessionEntryView> {
    return entryView(await this.sessions.say(id, body));
  }

  /** Record that an agent was asked, or did something; the audit trail keeps it too. */
  @Post(':id/executions')
  @Requires('work-session:write')
  async execute(@Param('id', UuidPipe) id: string, @Body() body: RecordExecution): Promise<WorkSessionEntryView> {
    return entryView(await this.sessions.execute(id, body));
  }

  /** Messages and executions in the order of their coming. */
  @Get(':id/entries')
  @Requires('work-session:read')
  async entries(@Param('id', UuidPipe) id: string, @Query() filter: EntryFilter): Promise<WorkSessionEntryPage> {
    const items = await this.sessions.entries(id, filter, seqOf(filter.after));
    const last = items.at(-1);
    return { items: items.map(entryView), next: last && items.length === filter.limit ? cursorOf([String(last.seq)]) : null };
  }
}

function seqOf(after: string | undefined): number {
  if (after === undefined) return 0;
  const [seq = ''] = keyOf(after, 1);
  if (!/^\d{1,9}$/.test(seq)) throw new AppError('unparsable', 'bad_cursor', '`after` must be what `next` of a page said.');
  return Number(seq);
}

function view(session: WorkSession, reply: FastifyReply): WorkSessionView {
  void reply.header('etag', etagOf(session.version));
  return viewOf(session);
}

function viewOf({ id, threadId, title, context, entries, version, createdAt, updatedAt, endedAt }: WorkSession): WorkSessionView {
  return {
    id,
    threadId,
    title,
    context,
    active: endedAt === null,
    entries,
    version,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}

function entryView({ seq, kind, role, content, data, at, by }: Entry): WorkSessionEntryView {
  return { seq, kind, role, content, data, at: at.toISOString(), by };
}
