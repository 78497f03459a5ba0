import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { KeyStore } from '../../platform/crypto/key-store.js';

interface Known {
  id: string;
  username: string;
}

/** What the trail keeps of who signed in, and who tried to. */
@Injectable()
export class LoginEvents {
  constructor(
    private readonly audit: AuditTrail,
    private readonly keys: KeyStore,
  ) {}

  /** Part of the open unit of work. */
  async succeeded({ id, username }: Known, sessionId: string): Promise<void> {
    await this.audit.record({
      action: 'login.succeeded',
      category: 'access',
      resource: { type: 'session', id: sessionId },
      actor: { kind: 'user', id, name: username },
    });
  }

  async failed(username: string, account: Known | undefined, reason: 'wrong_password' | 'unknown_user' | 'inactive'): Promise<void> {
    await this.audit.recordAlone({
      action: 'login.failed',
      category: 'access',
      outcome: 'failure',
      severity: 'low',
      resource: account ? { type: 'user', id: account.id, name: account.username } : { type: 'user', id: 'unknown' },
      detail: { reason, ...(account ? {} : this.disguised(username)) },
    });
  }

  /** Enough to see that somebody tries one name over and over; what was typed may have been a password, so it is not kept. */
  private disguised(username: string): Record<string, string> {
    const digest = createHmac('sha256', this.keys.auditWriter).update(`login name\0${username}`).digest('base64url');
    return { usernameBegins: username.slice(0, 2), usernameDigest: digest };
  }
}
