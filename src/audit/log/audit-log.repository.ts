import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { likeOf, patternsOf } from './action-words.js';
import { type AuditQuestion, auditQuery, type Slice } from './audit-query.js';
import { PersonalReader } from '../personal/personal-reader.js';
import { type StoredEvent } from './stored-event.js';

/** The trail as it can be read: the log, and the tail that is not filed yet. */
@Injectable()
export class AuditLogRepository {
  constructor(
    private readonly work: UnitOfWork,
    private readonly personal: PersonalReader,
  ) {}

  /** A page of what any of the questions means. */
  async page(asked: AuditQuestion | readonly AuditQuestion[], slice: Slice): Promise<StoredEvent[]> {
    const questions: AuditQuestion[] = [];
    for (const question of [asked].flat()) questions.push(await this.understood(question));
    const { sql, parameters } = auditQuery(questions, slice);
    return this.personal.open(await this.work.query<StoredEvent & object>(sql, parameters));
  }

  /** The question with its patterns as the actions there are. */
  async understood(question: AuditQuestion): Promise<AuditQuestion> {
    const patterns = question.patterns ?? (question.action === undefined ? undefined : patternsOf(question.action));
    if (!patterns || question.actions) return question;
    return { ...question, actions: await this.actionsLike(patterns) };
  }

  /** The actions of the log that one of the patterns means. */
  async actionsLike(patterns: readonly string[]): Promise<string[]> {
    const rows = await this.work.query<{ action: string }>(
      'SELECT a.action FROM audit_actions a WHERE a.action LIKE ANY ($1::text[]) ORDER BY a.action',
      [patterns.map(likeOf)],
    );
    return rows.map(({ action }) => action);
  }

  /** The newest id there is: what is streamed ends there, lest it chase what it leaves in the trail itself. */
  async newestId(): Promise<string | undefined> {
    const [newest] = await this.page({}, { limit: 1 });
    return newest?.id;
  }

  async byId(id: string): Promise<StoredEvent | undefined> {
    const found = await this.work.query<StoredEvent & object>(
      `SELECT l.id, l.payload, l.recorded_at AS "recordedAt", true AS filed, l.seq,
              (SELECT q.reason FROM audit_quarantine q WHERE q.id = l.id LIMIT 1) AS quarantined
         FROM audit_log l WHERE l.id = $1
       UNION ALL
       SELECT i.id, i.payload, i.recorded_at, false, NULL, NULL FROM audit_inbox i WHERE i.id = $1`,
      [id],
    );
    const [event] = await this.personal.open(found);
    return event;
  }

  /** By the database's clock, which seals. */
  async now(): Promise<Date> {
    const [row] = await this.work.query<{ at: Date }>('SELECT now() AS at');
    if (!row) throw new Error('The database does not say what time it is.');
    return row.at;
  }

  /** How long the oldest event has waited to be filed; 0 when none does. */
  async oldestUnfiledSeconds(): Promise<number> {
    const [row] = await this.work.query<{ age: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(i.recorded_at)), 0)::float8 AS age FROM audit_inbox i`,
    );
    return row?.age ?? 0;
  }

  /** Makes the log's partitions of this month and the next ones, and returns how many were missing. */
  async ensurePartitions(monthsAhead: number): Promise<number> {
    const [row] = await this.work.run(() => this.work.query<{ made: number }>('SELECT audit_ensure_partitions($1) AS made', [monthsAhead]));
    return row?.made ?? 0;
  }
}
