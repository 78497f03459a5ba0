import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Administrators } from '../accounts/administrators.js';
import { SessionDirectory } from '../sessions/session-directory.js';
import { Authority } from './authority.js';

/** What every change of a role goes through. */
@Injectable()
export class RoleGate {
  constructor(
    private readonly work: UnitOfWork,
    private readonly administrators: Administrators,
    private readonly authority: Authority,
    private readonly directory: SessionDirectory,
  ) {}

  /** Nobody else changes rights until the unit of work ends, and what is remembered of anybody's is forgotten then. */
  async open(): Promise<void> {
    await this.administrators.lock();
    this.work.afterCommit(() => {
      this.directory.forgetAll();
    });
  }

  /** Throws `superuser_required` when the role is that of superusers and the caller is none. */
  async requireMaster(role: string): Promise<void> {
    const holder = { active: true, roles: [role] };
    await this.administrators.allow(holder, holder);
  }

  /** Throws `rights_exceeded` for permissions that the caller does not have everywhere. */
  async requireHeld(permissions: readonly string[]): Promise<void> {
    await this.administrators.lock();
    await this.authority.requirePermissions(permissions);
  }
}
