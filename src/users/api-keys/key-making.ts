import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type KeyKind } from './key-format.js';
import { KeyGrants } from './key-grants.js';
import { KeyIssuing } from './key-issuing.js';
import { KeyProjects } from './key-projects.js';
import { type IssuedKey, type KeyTerms } from './key.js';

export interface WantedKey extends KeyTerms {
  kind: KeyKind;
  ownerId: string;
  projectId: string | null;
  expiresInDays: number | undefined;
}

/** Makes keys. */
@Injectable()
export class KeyMaking {
  constructor(
    private readonly work: UnitOfWork,
    private readonly grants: KeyGrants,
    private readonly projects: KeyProjects,
    private readonly issuing: KeyIssuing,
  ) {}

  /** Throws what KeyGrants.require() throws, `lifetime_too_long`, `unknown_owner`, `unknown_project` or `project_archived`. */
  make({ expiresInDays, ...wanted }: WantedKey): Promise<IssuedKey> {
    const lifetimeDays = this.grants.lifetimeOf(wanted.kind, expiresInDays);
    return this.work.run(async () => {
      await this.grants.require(wanted.kind, wanted, wanted.projectId, this.grants.endAfter(lifetimeDays));
      await this.projects.join(wanted.projectId);
      const [owner] = await this.work.query('SELECT FROM users WHERE id = $1 AND active', [wanted.ownerId]);
      if (!owner) throw AppError.field('/ownerId', 'unknown_owner', 'There is no such active account.');
      return this.issuing.issue({ ...wanted, lifetimeDays, replaces: null });
    });
  }
}
