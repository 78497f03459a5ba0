import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { SecretBox } from '../../platform/crypto/secret-box.js';

const PURPOSE = 'confirmation of a bulk deletion';
const GOOD_FOR_MS = 10 * 60 * 1000;

/** What a dry run hands out so that the deletion can follow: opaque, for one caller, one operation and exactly those accounts. */
@Injectable()
export class BulkConfirmation {
  constructor(
    private readonly box: SecretBox,
    private readonly clock: Clock,
  ) {}

  tokenFor(caller: string, operation: string, ids: readonly string[]): string {
    const until = this.clock.now().getTime() + GOOD_FOR_MS;
    return this.box.seal(JSON.stringify([caller, digestOf(operation, ids), until]), PURPOSE).toString('base64url');
  }

  confirms(token: string, caller: string, operation: string, ids: readonly string[]): boolean {
    try {
      const [of, digest, until] = JSON.parse(this.box.open(Buffer.from(token, 'base64url'), PURPOSE)) as [string, string, number];
      return of === caller && digest === digestOf(operation, ids) && this.clock.now().getTime() < until;
    } catch {
      // Not one of ours: the same refusal.
      return false;
    }
  }
}

function digestOf(operation: string, ids: readonly string[]): string {
  return createHash('sha256')
    .update([operation, ...ids.toSorted()].join('\n'))
    .digest('base64url');
}
