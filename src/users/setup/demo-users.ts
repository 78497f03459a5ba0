import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccountCreation } from '../accounts/account-creation.js';
import { asProgram } from '../as-program.js';
import { systemRoles } from '../roles/system-roles.js';
import { type Invitation } from './first-administrator.js';
import { oneTimePassword } from './one-time-password.js';

/** One user for each role of the program, to try it out. */
@Injectable()
export class DemoUsers {
  constructor(
    private readonly work: UnitOfWork,
    private readonly creation: AccountCreation,
    private readonly config: AppConfig,
  ) {}

  /** Makes those that are not there yet, and returns their passwords, which nobody can read again. Throws `demo_in_production`. */
  seed(): Promise<(Invitation & { role: string })[]> {
    if (this.config.env === 'production')
      return Promise.reject(
        new AppError('forbidden', 'demo_in_production', 'There are no demonstration users in production (CADASTRE_ENV).'),
      );
    return asProgram(async () => {
      const made: (Invitation & { role: string })[] = [];
      for (const { name: role } of systemRoles) {
        const username = `demo-${role.replaceAll('_', '-')}`;
        const known = await this.work.query('SELECT FROM users WHERE username = $1', [username]);
        if (known.length > 0) continue;
        const password = oneTimePassword();
        await this.creation.create({ username, displayName: `Demo ${role}`, password, roles: [role] });
        made.push({ role, username, password });
      }
      return made;
    });
  }
}
