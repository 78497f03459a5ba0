import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../../audit/trail/audit-trail.js';
import { AppError } from '../../../kernel/app-error.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { Administrators } from '../../accounts/administrators.js';
import { UsersRepository } from '../../accounts/users.repository.js';
import { Sessions } from '../../sessions/sessions.js';
import { asProvider } from '../as-provider.js';
import { IdentitiesRepository } from '../identities.repository.js';
import { type Identity } from '../identity.js';
import { MappedRoles } from '../mapped-roles.js';
import { isLdap, type LdapProvider, type Provider, type Vouched } from '../provider.js';
import { ProvidersRepository } from '../providers.repository.js';
import { type LdapConnection } from './ldap-connection.js';
import { LdapDirectory, withGroups } from './ldap-directory.js';

const BATCH = 200;
const FIRST = '00000000-0000-0000-0000-000000000000';
/** So many may leave in one night whatever the share: half of three people is no sign of a broken search. */
const FEW = 5;

export interface Reconciled {
  seen: number;
  deactivated: number;
  refused: number;
}

/** Follows what a directory says of the people linked to it. */
@Injectable()
export class LdapReconcile {
  constructor(
    private readonly work: UnitOfWork,
    private readonly providers: ProvidersRepository,
    private readonly directory: LdapDirectory,
    private readonly identities: IdentitiesRepository,
    private readonly roles: MappedRoles,
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly sessions: Sessions,
    private readonly audit: AuditTrail,
  ) {}

  /** All enabled directories; one that is away does not keep the others waiting. Throws what the last of those threw. */
  async all(signal?: AbortSignal): Promise<Record<string, Reconciled>> {
    const found: Record<string, Reconciled> = {};
    let failure: unknown;
    for (const provider of (await this.providers.enabled()).filter(isLdap)) {
      try {
        found[provider.slug] = await this.one(provider, signal);
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== undefined) throw failure instanceof Error ? failure : new Error('A directory could not be reconciled.');
    return found;
  }

  /** Looks everybody up first: a search that suddenly finds nobody is a broken search, and nobody is deactivated for it. */
  async one(provider: LdapProvider, signal?: AbortSignal): Promise<Reconciled> {
    const gone: Identity[] = [];
    let seen = 0;
    for (let batch = await this.identities.activeAt(provider.id, FIRST, BATCH); batch.length > 0;) {
      signal?.throwIfAborted();
      const answers = await this.directory.asSearcher(provider, (directory) => lookUp(directory, batch));
      for (const { identity, vouched } of answers) {
        if (vouched) await this.refresh(provider, identity, vouched);
        else gone.push(identity);
      }
      seen += batch.length;
      batch = await this.identities.activeAt(provider.id, batch.at(-1)?.id ?? FIRST, BATCH);
    }
    if (gone.length > FEW && gone.length * 2 > seen) {
      await this.reportMass(provider, gone.length, seen);
      return { seen, deactivated: 0, refused: gone.length };
    }
    let deactivated = 0;
    for (const identity of gone) if (await this.deactivate(provider, identity)) deactivated++;
    return { seen, deactivated, refused: gone.length - deactivated };
  }

  private async refresh(provider: Provider, identity: Identity, vouched: Vouched): Promise<void> {
    await this.work.run(async () => {
      await this.roles.follow(provider, identity.userId, vouched.groups);
      await this.identities.refresh(identity.id, vouched, false);
    });
  }

  /** False when that would leave nobody in charge: that is reported instead. */
  private deactivate(provider: Provider, { userId }: Identity): Promise<boolean> {
    return asProvider(provider, () =>
      this.work.run(async () => {
        await this.administrators.lock();
        const before = await this.users.lockedById(userId);
        if (!before.active) return true;
        try {
          await this.administrators.allow(before, { ...before, active: false });
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          await this.audit.record({
            action: 'identity_provider.sync_refused',
            category: 'governance',
            severity: 'high',
            outcome: 'denied',
            resource: { type: 'user', id: userId, name: before.username },
            detail: { provider: provider.slug, code: error.code },
          });
          return false;
        }
        await this.users.update(userId, { active: false });
        const endedSessions = await this.sessions.endAllOf(userId, 'deactivated');
        await this.audit.record({
          action: 'user.deactivated',
          category: 'governance',
          resource: { type: 'user', id: userId, name: before.username },
          before,
          after: await this.users.byId(userId),
          detail: { provider: provider.slug, endedSessions },
        });
        return true;
      }),
    );
  }

  private async reportMass(provider: Provider, gone: number, seen: number): Promise<void> {
    await asProvider(provider, () =>
      this.audit.recordAlone({
        action: 'identity_provider.sync_refused',
        category: 'governance',
        severity: 'high',
        outcome: 'denied',
        resource: { type: 'identity_provider', id: provider.id, name: provider.slug },
        detail: { code: 'too_many_gone', gone, seen },
      }),
    );
  }
}

interface Answer {
  identity: Identity;
  /** Undefined for who is gone or switched off. */
  vouched: Vouched | undefined;
}

async function lookUp(directory: LdapConnection, batch: readonly Identity[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const identity of batch) {
    const person = await directory.findByExternalId(identity.externalId);
    answers.push({ identity, vouched: person && !person.disabled ? await withGroups(directory, person) : undefined });
  }
  return answers;
}
