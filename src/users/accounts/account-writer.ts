import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { type AuditEvent } from '../../audit/trail/audit-event.js';
import { type Account, type AccountKind } from './account.js';
import { posixDefaults } from './posix-defaults.js';
import { PosixRanges } from './posix-ranges.js';
import { requireOwner } from './service-owner.js';
import { requireUsername } from './username.js';
import { UsersRepository } from './users.repository.js';

export interface NewAccount {
  /** Where it was promised beforehand. */
  id?: string;
  username: string;
  /** A person unless said. */
  kind?: AccountKind;
  ownerId?: string | null;
  email?: string | null;
  emailVerified?: boolean;
  displayName?: string;
  /** None: no password opens the account. */
  passwordHash: string | null;
  /** Set where somebody else knows the password: its owner must change it before anything else. */
  mustChangePassword: boolean;
  /** Registered, and to be approved. */
  pending?: boolean;
  /** Of the range of its kind; the next one when absent. */
  uidNumber?: number | null;
  gidNumber?: number | null;
  loginShell?: string | null;
  homeDirectory?: string | null;
  /** Names; the default ones when absent. */
  roles?: readonly string[];
}

/** Writes a new account, its numbers and its roles. Whether the caller may make it has been asked by then. */
@Injectable()
export class AccountWriter {
  constructor(
    private readonly users: UsersRepository,
    private readonly ranges: PosixRanges,
    private readonly audit: AuditTrail,
  ) {}

  /** Part of the open unit of work. `actor`, where nobody is signed in who could be it. */
  async insert(
    account: NewAccount & { roles: readonly string[] },
    by: string,
    actor?: (id: string) => AuditEvent['actor'],
  ): Promise<Account> {
    const { kind = 'person', username, roles, pending = false } = account;
    requireUsername(kind, username);
    if (account.uidNumber != null) this.ranges.require(kind, account.uidNumber);
    await requireOwner(this.users, kind, account.ownerId ?? null);
    const defaults = posixDefaults(kind, username);
    const id = await this.users.insert({
      ...(account.id === undefined ? {} : { id: account.id }),
      username,
      kind,
      ownerId: account.ownerId ?? null,
      email: account.email ?? null,
      emailVerified: account.emailVerified ?? false,
      displayName: account.displayName ?? '',
      passwordHash: account.passwordHash,
      mustChangePassword: account.mustChangePassword,
      pending,
      active: !pending,
      uidNumber: account.uidNumber ?? null,
      gidNumber: account.gidNumber ?? null,
      loginShell: account.loginShell === undefined ? defaults.loginShell : account.loginShell,
      homeDirectory: account.homeDirectory === undefined ? defaults.homeDirectory : account.homeDirectory,
      createdBy: by,
    });
    await this.users.setRoles(id, roles, by);
    // Late: whoever else makes an account waits from here to the end.
    if (account.uidNumber == null) await this.users.giveUidNumber(id, kind);
    const after = await this.users.byId(id);
    const who = actor?.(id);
    await this.audit.record({
      action: 'user.created',
      category: 'governance',
      resource: { type: 'user', id, name: username },
      after,
      ...(who ? { actor: who } : {}),
    });
    return after;
  }
}
