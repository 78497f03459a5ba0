import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { defaultRoles } from '../roles/system-roles.js';
import { PasswordHasher } from '../sessions/password-hasher.js';
import { requireGoodPassword } from '../sessions/password-policy.js';
import { type Account } from './account.js';
import { Administrators } from './administrators.js';
import { type CreateUser } from './user.dto.js';
import { UsersRepository } from './users.repository.js';

export interface NewAccount {
  username: string;
  email?: string | null;
  displayName?: string;
  /** Known to whoever makes the account, so its owner must change it before anything else. */
  password: string;
  /** Names; the default ones when absent. */
  roles?: readonly string[];
}

@Injectable()
export class AccountCreation {
  constructor(
    private readonly work: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly administrators: Administrators,
    private readonly hasher: PasswordHasher,
    private readonly audit: AuditTrail,
  ) {}

  /** An account somebody asks for, with a password they chose. Also throws what requireGoodPassword() throws. */
  register(input: CreateUser): Promise<Account> {
    requireGoodPassword(input.password, input.username, '/password');
    return this.create(input);
  }

  /** Throws `username_taken`, `email_taken`, `unknown_role` or `superuser_required`. */
  async create({ username, email, displayName, password, roles = defaultRoles }: NewAccount): Promise<Account> {
    const passwordHash = await this.hasher.hash(password);
    return this.work.run(async () => {
      await this.administrators.lock();
      await this.administrators.allow({ active: true, roles: [] }, { active: true, roles });
      const id = await this.users.insert({
        username,
        email: email ?? null,
        displayName: displayName ?? '',
        passwordHash,
        mustChangePassword: true,
        createdBy: actorName(),
      });
      await this.users.setRoles(id, roles, actorName());
      const account = await this.users.byId(id);
      await this.audit.record({
        action: 'user.created',
        category: 'governance',
        resource: { type: 'user', id, name: username },
        after: account,
      });
      return account;
    });
  }
}
