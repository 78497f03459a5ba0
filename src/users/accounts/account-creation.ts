import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { actorName } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Authority } from '../roles/authority.js';
import { defaultRoles } from '../roles/system-roles.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { PasswordPolicy } from '../passwords/password-policy.js';
import { type Account } from './account.js';
import { AccountWriter, type NewAccount } from './account-writer.js';
import { Administrators } from './administrators.js';
import { type CreateUser } from './user.dto.js';

@Injectable()
export class AccountCreation {
  constructor(
    private readonly work: UnitOfWork,
    private readonly writer: AccountWriter,
    private readonly administrators: Administrators,
    private readonly authority: Authority,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
  ) {}

  /**
   * An account somebody asks for: a person's with a password they chose, or a service's without any. Also throws what
   * PasswordPolicy.require() throws, and `service_has_no_password`.
   */
  async register(input: CreateUser): Promise<Account> {
    const { password } = input;
    if (password === undefined) return this.create(input);
    if (input.kind === 'service')
      throw AppError.field('/password', 'service_has_no_password', 'A service account has keys, not a password.');
    this.policy.require(password, input, '/password');
    return this.create(input);
  }

  /**
   * Throws `username_taken`, `email_taken`, `service_prefix`, `unknown_role`, `unknown_owner`, `uid_outside_range`, `uid_number_taken`,
   * `uid_numbers_exhausted`, `unknown_gid_number`; `superuser_required` or `rights_exceeded` when the roles are more than the caller may give,
   * and `forbidden` when roles are named by somebody who may not assign any.
   */
  async create({
    password,
    ...account
  }: Omit<NewAccount, 'passwordHash' | 'mustChangePassword'> & { password?: string }): Promise<Account> {
    const passwordHash = password === undefined ? null : await this.hasher.hash(password);
    const roles = account.roles ?? defaultRoles;
    return this.work.run(async () => {
      await this.administrators.share();
      await this.administrators.allow({ active: true, roles: [] }, { active: true, roles });
      if (account.roles !== undefined) await this.authority.require('role:assign');
      await this.authority.requireGrantable(roles.map((role) => ({ role })));
      return this.writer.insert({ ...account, roles, passwordHash, mustChangePassword: passwordHash !== null }, actorName());
    });
  }
}
