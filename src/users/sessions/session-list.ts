import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { isLive } from './session-life.js';
import { SignInSettings } from './sign-in-settings.js';

export interface LiveSession {
  id: string;
  userId: string;
  username: string;
  kind: 'token' | 'console';
  userAgent: string | null;
  clientIp: string | null;
  methods: string[];
  createdAt: Date;
  lastSeenAt: Date;
  authenticatedAt: Date;
  expiresAt: Date;
}

interface Page {
  limit: number;
  offset: number;
}

const LIVE = `
    FROM auth_sessions s JOIN users u ON u.id = s.user_id
   WHERE ${isLive('$2', '$3')} AND u.active AND ($1::uuid IS NULL OR s.user_id = $1)`;

/** The sessions that are good at this moment. */
@Injectable()
export class SessionList {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: SignInSettings,
  ) {}

  /** Newest first. */
  async page(userId: string | undefined, { limit, offset }: Page): Promise<{ items: LiveSession[]; total: number }> {
    const { idleSeconds, administratorIdleSeconds } = this.settings;
    const which = [userId ?? null, idleSeconds, administratorIdleSeconds];
    const items = await this.work.query<LiveSession>(
      `SELECT s.id, s.user_id AS "userId", u.username, s.kind, s.user_agent AS "userAgent", host(s.client_ip) AS "clientIp", s.methods,
              s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt", s.authenticated_at AS "authenticatedAt",
              s.expires_at AS "expiresAt"
       ${LIVE}
       ORDER BY s.created_at DESC, s.id DESC LIMIT $4 OFFSET $5`,
      [...which, limit, offset],
    );
    const [count] = await this.work.query<{ total: number }>(`SELECT count(*)::int AS total ${LIVE}`, which);
    return { items, total: count?.total ?? 0 };
  }
}
