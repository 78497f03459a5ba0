import { Injectable } from '@nestjs/common';
import { explainPgError } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccountCreation } from '../accounts/account-creation.js';
import { Administrators } from '../accounts/administrators.js';
import { asProgram } from '../as-program.js';
import { RoleSeeder } from '../roles/role-seeder.js';
import { SUPERUSER } from '../roles/system-roles.js';
import { oneTimePassword } from './one-time-password.js';

/** A password shown once, to be changed at the first sign-in. */
export interface Invitation<Name extends string = string> {
  username: Name;
  password: string;
}

/** How an installation gets somebody in charge: there is no default account and no default password. */
@Injectable()
export class FirstAdministrator {
  constructor(
    private readonly work: UnitOfWork,
    private readonly administrators: Administrators,
    private readonly creation: AccountCreation,
    private readonly roles: RoleSeeder,
  ) {}

  /** Makes the superuser `admin` when there is no superuser. Of two callers at once one gets the password, the other undefined. */
  createIfNone(): Promise<Invitation<'admin'> | undefined> {
    return asProgram(() =>
      this.work.run(async () => {
        await this.roles.sync();
        await this.administrators.lock();
        return (await this.administrators.hasSuperuser()) ? undefined : this.invite('admin');
      }),
    );
  }

  /** Makes another superuser, for the command line. Throws `username_taken` or `bad_username`. */
  async createAdmin(username: string): Promise<Invitation> {
    try {
      return await asProgram(() => this.invite(username.toLowerCase()));
    } catch (error) {
      throw explainPgError(error) ?? error;
    }
  }

  private async invite<Name extends string>(username: Name): Promise<Invitation<Name>> {
    const password = oneTimePassword();
    await this.creation.create({ username, password, roles: [SUPERUSER] });
    return { username, password };
  }
}
