import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Attempt, LoginThrottle } from '../sessions/login-throttle.js';
import { LoginEvents } from '../sessions/login-events.js';
import { disguise } from '../sessions/login-name.js';
import { type Account } from '../accounts/account.js';
import { type Provider, type Vouched } from './provider.js';

/** What the trail keeps of who signed in from elsewhere, and who tried to. */
@Injectable()
export class ProviderLoginEvents {
  constructor(
    private readonly work: UnitOfWork,
    private readonly audit: AuditTrail,
    private readonly throttle: LoginThrottle,
    private readonly logins: LoginEvents,
    private readonly keys: KeyStore,
  ) {}

  /** Part of the open unit of work. */
  async succeeded(provider: Provider, { id, username }: Account, { externalId, acr, amr }: Vouched, sessionId: string): Promise<void> {
    await this.audit.record({
      action: 'login.succeeded',
      category: 'access',
      resource: { type: 'session', id: sessionId },
      actor: { kind: 'user', id, name: username },
      detail: { provider: provider.slug, externalId, ...(acr === undefined ? {} : { acr }), ...(amr === undefined ? {} : { amr }) },
    });
  }

  /** The directory said yes: whatever becomes of it, nobody is guessing. */
  async proven(attempt: Attempt): Promise<void> {
    await this.work.run(() => this.throttle.succeeded(attempt));
  }

  /**
   * `typed`: what somebody typed as a username, which may have been a password; `vouched`: who it was by the provider's word; `attempt`: a guess
   * that counts.
   */
  async failed(provider: Provider, reason: string, who: { typed?: string; vouched?: Vouched; attempt?: Attempt } = {}): Promise<void> {
    const resource = { type: 'user', id: 'unknown' };
    const disguised = who.typed === undefined ? {} : disguise(who.typed, this.keys.auditWriter);
    await this.work.run(async () => {
      await this.audit.record({
        action: 'login.failed',
        category: 'access',
        outcome: 'failure',
        severity: 'low',
        resource,
        detail: { reason, provider: provider.slug, ...disguised, ...(who.vouched ? { externalId: who.vouched.externalId } : {}) },
      });
      if (who.attempt) await this.logins.counted(who.attempt, resource, disguised);
    });
  }
}
