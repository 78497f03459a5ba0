import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { KeyGrants } from './key-grants.js';
import { KeyProjects } from './key-projects.js';
import { KeySettings } from './key-settings.js';
import { type Key } from './key.js';

const DAY_MS = 86_400_000;

/** Who may rotate which key, and what comes of it. */
@Injectable()
export class RotationRules {
  constructor(
    private readonly grants: KeyGrants,
    private readonly projects: KeyProjects,
    private readonly settings: KeySettings,
  ) {}

  /** A person's own key is theirs to rotate. Throws `not_your_key` or `project_archived`. */
  async open({ kind, projectId }: Key, owner: string | undefined): Promise<void> {
    if (kind === 'owner' && owner === undefined)
      throw new AppError('forbidden', 'not_your_key', 'It acts for its owner, who alone may have its secret; you can revoke it.');
    await this.projects.hold(projectId);
  }

  /** Whoever rotates gets the secret, so they need what makes such a key. */
  require(key: Key): Promise<void> {
    return this.grants.require(key.kind, key, key.projectId, this.grants.endAfter(this.lifetimeAfter(key)));
  }

  /** As many days as the old one had, within what its kind may have now. */
  lifetimeAfter({ kind, expiresAt, issuedAt, createdAt }: Key): number {
    return Math.min((expiresAt.getTime() - (issuedAt ?? createdAt).getTime()) / DAY_MS, this.grants.maxLifetimeOf(kind));
  }

  grace(seconds: number | undefined): number {
    return Math.min(seconds ?? this.settings.defaultGraceSeconds, this.settings.maxGraceSeconds);
  }
}
