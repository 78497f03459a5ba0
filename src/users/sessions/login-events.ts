import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { disguise } from './login-name.js';
import { type Attempt, LoginThrottle } from './login-throttle.js';

interface Known {
  id: string;
  username: string;
}

interface Opened {
  sessionId: string;
  mode: 'tokens' | 'console';
  methods: readonly string[];
  /** The slug of who vouched in the first step. */
  provider?: string;
}

type Reason = 'wrong_password' | 'unknown_user' | 'inactive' | 'wrong_code' | 'wrong_passkey';

/** What the trail keeps of who signed in, and who tried to; and what the throttle does. */
@Injectable()
export class LoginEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly throttle: LoginThrottle,
    private readonly keys: KeyStore,
  ) {}

  /** Part of the open unit of work. */
  async succeeded(attempt: Attempt, { id, username }: Known, { sessionId, ...detail }: Opened): Promise<void> {
    await this.throttle.succeeded(attempt);
    await this.audit.record({
      action: 'login.succeeded',
      category: 'access',
      resource: { type: 'session', id: sessionId },
      actor: { kind: 'user', id, name: username },
      detail,
    });
  }

  async failed(attempt: Attempt, name: string, account: Known | undefined, reason: Reason): Promise<void> {
    const resource = account ? { type: 'user', id: account.id, name: account.username } : { type: 'user', id: 'unknown' };
    const disguised = account ? {} : disguise(name, this.keys.auditWriter);
    await this.work.run(async () => {
      await this.audit.record({
        action: 'login.failed',
        category: 'access',
        outcome: 'failure',
        severity: 'low',
        resource,
        detail: { reason, ...disguised },
      });
      await this.counted(attempt, resource, disguised);
    });
  }

  /** Counts a failure that has an event of its own; a lock that it brings about has one more. Part of the open unit of work. */
  async counted(
    attempt: Attempt,
    resource: { type: string; id: string; name?: string },
    disguised: Record<string, string> = {},
  ): Promise<void> {
    const lockedSeconds = await this.throttle.failed(attempt);
    if (lockedSeconds === undefined) return;
    await this.audit.record({
      action: 'login.locked',
      category: 'access',
      outcome: 'denied',
      severity: 'medium',
      resource,
      detail: { network: attempt.network, lockedSeconds, ...disguised },
    });
  }
}
