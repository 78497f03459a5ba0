import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { actorName, currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { staleVersion } from '../../platform/http/etag.js';
import { type Entry, type WorkSession } from './work-session.js';
import {
  type AppendMessage,
  type CreateWorkSession,
  type EntryFilter,
  type PatchWorkSession,
  type RecordExecution,
  type WorkSessionFilter,
} from './work-session.dto.js';
import { WorkSessionsRepository } from './work-sessions.repository.js';

const DETAIL_BYTES = 16_384;

/** Everybody has their own, and nobody anybody else's; a key has its owner's. */
@Injectable()
export class WorkSessionsService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly sessions: WorkSessionsRepository,
    private readonly audit: AuditTrail,
  ) {}

  list(filter: WorkSessionFilter): Promise<{ items: WorkSession[]; total: number }> {
    return this.sessions.page(me(), filter);
  }

  get(id: string): Promise<WorkSession> {
    return this.sessions.byId(id, me());
  }

  /** Throws `thread_taken` or `context_too_large`. */
  create({ threadId = randomUUID(), title, context = {} }: CreateWorkSession): Promise<WorkSession> {
    return this.work.run(async () => {
      const session = await this.sessions.insert({ userId: me(), threadId, title, context });
      await this.audit.record({ action: 'work_session.created', category: 'access', ...about(session), after: kept(session) });
      return session;
    });
  }

  /** Throws `work_session_ended`, `work_session_changed` for another version in the body, `stale_version` for one in If-Match. */
  patch(id: string, input: PatchWorkSession, expected: number | undefined): Promise<WorkSession> {
    return this.work.run(async () => {
      const before = await this.open(id, expected);
      if (input.version !== undefined && input.version !== before.version)
        throw AppError.conflict('work_session_changed', 'The work session has changed since you read it.', { version: before.version });
      const { title = before.title, context = before.context } = input;
      const after = await this.sessions.update(before, { title, context, ended: false });
      await this.audit.record({
        action: 'work_session.updated',
        category: 'access',
        ...about(after),
        before: kept(before),
        after: kept(after),
      });
      return after;
    });
  }

  end(id: string, expected: number | undefined): Promise<WorkSession> {
    return this.work.run(async () => this.switch(await this.open(id, expected), true));
  }

  /** Opens an ended one again; one that is open stays as it is. */
  resume(id: string): Promise<WorkSession> {
    return this.work.run(async () => {
      const session = await this.sessions.lockedById(id, me());
      return session.endedAt === null ? session : this.switch(session, false);
    });
  }

  /** The trail keeps that something was said and how long it was, not what. */
  say(id: string, { role, content }: AppendMessage): Promise<Entry> {
    return this.work.run(async () => {
      const session = await this.open(id, undefined);
      const entry = await this.sessions.append(session, { kind: 'message', role, content, data: null, by: actorName() });
      await this.audit.record({
        action: 'work_session.message_added',
        category: 'access',
        ...about(session),
        detail: { seq: entry.seq, role, characters: content.length },
      });
      return entry;
    });
  }

  execute(id: string, { kind, agent, summary, outcome, durationMs, detail }: RecordExecution): Promise<Entry> {
    if (detail && Buffer.byteLength(JSON.stringify(detail)) > DETAIL_BYTES)
      throw AppError.field('/detail', 'detail_too_large', 'The detail is larger than 16 KiB.');
    return this.work.run(async () => {
      const session = await this.open(id, undefined);
      const data = { agent, summary, outcome, durationMs: durationMs ?? null, detail: detail ?? null };
      const entry = await this.sessions.append(session, { kind, role: null, content: null, data, by: actorName() });
      await this.audit.record({
        action: kind === 'query_agent' ? 'agent.queried' : 'agent.executed',
        category: 'access',
        outcome,
        ...about(session),
        detail: { seq: entry.seq, threadId: session.threadId, ...data },
      });
      return entry;
    });
  }

  async entries(id: string, { kind, limit }: EntryFilter, after: number): Promise<Entry[]> {
    const session = await this.sessions.byId(id, me());
    return this.sessions.entries(session.id, after, kind, limit);
  }

  private async switch(before: WorkSession, ended: boolean): Promise<WorkSession> {
    const after = await this.sessions.update(before, { title: before.title, context: before.context, ended });
    await this.audit.record({
      action: ended ? 'work_session.ended' : 'work_session.resumed',
      category: 'access',
      ...about(after),
      before: kept(before),
      after: kept(after),
    });
    return after;
  }

  private async open(id: string, expected: number | undefined): Promise<WorkSession> {
    const session = await this.sessions.lockedById(id, me());
    if (expected !== undefined && expected !== session.version) throw staleVersion(session.version);
    if (session.endedAt !== null) throw AppError.conflict('work_session_ended', 'The work session has ended; resume it first.');
    return session;
  }
}

function me(): string {
  const principal = currentContext()?.principal;
  if (!principal) throw new Error('Nobody is signed in: the route must be declared with @Requires.');
  return principal.ownerId ?? principal.id;
}

function about({ id, title }: WorkSession): { resource: { type: string; id: string; name: string } } {
  return { resource: { type: 'work_session', id, name: title } };
}

/** The trail tells that the context changed; what a tool remembers may be long, and of others. */
function kept({ context, ...session }: WorkSession): object {
  const text = JSON.stringify(context);
  return { ...session, context: { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') } };
}
