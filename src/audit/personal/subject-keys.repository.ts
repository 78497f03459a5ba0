import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export interface StoredKey {
  kid: string;
  /** Null once it was destroyed. */
  wrapped: Buffer | null;
}

/** A person's key, as an administrator sees it. */
export interface KeyHistory {
  kid: string;
  createdAt: Date;
  destroyedAt: Date | null;
  destroyedBy: string | null;
  reason: string | null;
}

@Injectable()
export class SubjectKeysRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Those of a person that are there, the oldest first, so that instances agree. */
  async present(subject: string): Promise<StoredKey[]> {
    return this.work.query<StoredKey & object>(
      'SELECT k.kid, k.wrapped FROM audit_subject_key k WHERE k.subject = $1 AND k.wrapped IS NOT NULL ORDER BY k.created_at, k.kid',
      [subject],
    );
  }

  async byKids(kids: readonly string[]): Promise<StoredKey[]> {
    return this.work.query<StoredKey & object>('SELECT k.kid, k.wrapped FROM audit_subject_key k WHERE k.kid::text = ANY ($1::text[])', [
      kids,
    ]);
  }

  /** Keeps an erasure of this person waiting until the open unit of work ends. */
  async keepErasureWaiting(subject: string): Promise<void> {
    await this.work.queryInside(`SELECT pg_advisory_xact_lock_shared(hashtextextended('cadastre audit subject ' || $1, 0))`, [subject]);
  }

  async insert(kid: string, subject: string, wrapped: Buffer): Promise<void> {
    await this.work.queryInside('INSERT INTO audit_subject_key (kid, subject, wrapped) VALUES ($1, $2, $3)', [kid, subject, wrapped]);
  }

  /** Grows with every key that is destroyed. */
  async destroyedCount(): Promise<number> {
    const [row] = await this.work.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM audit_subject_key k WHERE k.destroyed_at IS NOT NULL',
    );
    return row?.n ?? 0;
  }

  async history(subject: string): Promise<KeyHistory[]> {
    return this.work.query<KeyHistory & object>(
      `SELECT k.kid, k.created_at AS "createdAt", k.destroyed_at AS "destroyedAt", k.destroyed_by AS "destroyedBy", k.reason
         FROM audit_subject_key k WHERE k.subject = $1 ORDER BY k.created_at, k.kid`,
      [subject],
    );
  }
}
