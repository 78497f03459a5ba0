import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { directoryName } from './login-name.js';

/** Under what names an account signs in elsewhere. */
@Injectable()
export class DirectoryNames {
  constructor(private readonly work: UnitOfWork) {}

  /** As LoginThrottle has them, one for each identity the account is linked to. */
  async of(userId: string): Promise<string[]> {
    const identities = await this.work.query<{ slug: string; name: string }>(
      `SELECT p.slug, i.name
         FROM user_identities i JOIN identity_providers p ON p.id = i.provider_id
        WHERE i.user_id = $1
        ORDER BY p.slug`,
      [userId],
    );
    return identities.map(({ slug, name }) => directoryName(slug, name));
  }
}
