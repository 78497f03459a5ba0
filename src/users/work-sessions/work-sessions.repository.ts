import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Entry, type EntryKind, type WorkSession } from './work-session.js';

const SESSION = `
  w.id, w.user_id AS "userId", w.thread_id AS "threadId", w.title, w.context, w.entries, w.version, w.created_at AS "createdAt",
  w.updated_at AS "updatedAt", w.ended_at AS "endedAt"`;
const ENTRY = 'e.seq, e.kind, e.role, e.content, e.data, e.at, e.by';

explainConstraint('work_sessions_thread_unique', () =>
  AppError.conflict('thread_taken', 'You have a work session of this thread; resume that one, or name another thread.'),
);
explainConstraint('work_sessions_context_size', () =>
  AppError.field('/context', 'context_too_large', 'The context is larger than 64 KiB.'),
);

@Injectable()
export class WorkSessionsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Somebody else's is as good as none. Throws `work_session_not_found`. */
  async byId(id: string, userId: string): Promise<WorkSession> {
    return found(
      id,
      await this.work.query<WorkSession & object>(`SELECT ${SESSION} FROM work_sessions w WHERE w.id = $1 AND w.user_id = $2`, [
        id,
        userId,
      ]),
    );
  }

  /** Like byId, and nobody else changes the row until the unit of work ends. */
  async lockedById(id: string, userId: string): Promise<WorkSession> {
    const sql = `SELECT ${SESSION} FROM work_sessions w WHERE w.id = $1 AND w.user_id = $2 FOR NO KEY UPDATE`;
    return found(id, await this.work.queryInside<WorkSession & object>(sql, [id, userId]));
  }

  async page(
    userId: string,
    { active, threadId, limit, offset }: { active?: boolean; threadId?: string; limit: number; offset: number },
  ): Promise<{ items: WorkSession[]; total: number }> {
    const where = 'w.user_id = $1 AND ($2::boolean IS NULL OR (w.ended_at IS NULL) = $2) AND ($3::text IS NULL OR w.thread_id = $3)';
    const parameters = [userId, active ?? null, threadId ?? null];
    const items = await this.work.query<WorkSession & object>(
      `SELECT ${SESSION} FROM work_sessions w WHERE ${where} ORDER BY w.id DESC LIMIT $4 OFFSET $5`,
      [...parameters, limit, offset],
    );
    const [count] = await this.work.query<{ total: number }>(
      `SELECT count(*)::int AS total FROM work_sessions w WHERE ${where}`,
      parameters,
    );
    return { items, total: count?.total ?? 0 };
  }

  /** Throws `thread_taken` or `context_too_large`. */
  async insert(session: Pick<WorkSession, 'userId' | 'threadId' | 'title' | 'context'>): Promise<WorkSession> {
    const { userId, threadId, title, context } = session;
    const rows = await this.work.queryInside<WorkSession & object>(
      `INSERT INTO work_sessions AS w (user_id, thread_id, title, context) VALUES ($1, $2, $3, $4) RETURNING ${SESSION}`,
      [userId, threadId, title, JSON.stringify(context)],
    );
    return found(threadId, rows);
  }

  async update({ id }: WorkSession, { title, context, ended }: { title: string; context: object; ended: boolean }): Promise<WorkSession> {
    const rows = await this.work.queryInside<WorkSession & object>(
      `UPDATE work_sessions w
          SET title = $2, context = $3, ended_at = CASE WHEN $4 THEN coalesce(w.ended_at, now()) END, version = w.version + 1, updated_at = now()
        WHERE w.id = $1
        RETURNING ${SESSION}`,
      [id, title, JSON.stringify(context), ended],
    );
    return found(id, rows);
  }

  /** The session's row has to be locked: entries are numbered without gaps, in the order they were written. */
  async append({ id }: WorkSession, entry: Omit<Entry, 'seq' | 'at'>): Promise<Entry> {
    const { kind, role, content, data, by } = entry;
    const [row] = await this.work.queryInside<Entry & object>(
      `WITH counted AS (UPDATE work_sessions SET entries = entries + 1 WHERE id = $1 RETURNING entries)
       INSERT INTO work_session_entries AS e (session_id, seq, kind, role, content, data, by)
       SELECT $1, counted.entries, $2, $3, $4, $5, $6 FROM counted
       RETURNING ${ENTRY}`,
      [id, kind, role, content, data === null ? null : JSON.stringify(data), by],
    );
    if (!row) throw new Error('INSERT … RETURNING gave no row.');
    return row;
  }

  /** In order, beyond `after`. */
  entries(sessionId: string, after: number, kind: EntryKind | undefined, limit: number): Promise<Entry[]> {
    return this.work.query<Entry & object>(
      `SELECT ${ENTRY} FROM work_session_entries e
        WHERE e.session_id = $1 AND e.seq > $2 AND ($3::text IS NULL OR e.kind = $3)
        ORDER BY e.seq LIMIT $4`,
      [sessionId, after, kind ?? null, limit],
    );
  }
}

function found(id: string, [session]: WorkSession[]): WorkSession {
  if (!session) throw AppError.notFound('work_session', id);
  return session;
}
