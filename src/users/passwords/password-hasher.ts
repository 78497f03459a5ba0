import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Options } from '@node-rs/argon2';
import { AppError } from '../../kernel/app-error.js';
import { BoundedGate } from '../../kernel/bounded-gate.js';
import { HashingThreads } from './hashing-threads.js';

/** The least OWASP accepts for argon2id, which is the library's default algorithm. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } satisfies Options;
const QUEUE = 64;

/** Argon2id, a few at a time, so that a flood of logins starves nothing else. Throws `login_busy` when too many wait already. */
@Injectable()
export class PasswordHasher implements OnApplicationShutdown {
  /** How many are hashed at once. */
  readonly width = Math.max(1, availableParallelism() - 1);
  private readonly gate = new BoundedGate(this.width, QUEUE, loginBusy);
  private readonly threads = new HashingThreads();
  /** Costs what a real one costs, and no password is known to match it. */
  private readonly dummy = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$${unpadded(16)}$${unpadded(32)}`;

  async onApplicationShutdown(): Promise<void> {
    await this.threads.close();
  }

  /** A PHC string. Passwords are compared by Unicode's composed form, so that one typed on another keyboard still matches. */
  hash(password: string): Promise<string> {
    return this.gate.run(() => this.threads.hash(password.normalize('NFC'), COST));
  }

  /** Whether a hash was made at less than today's cost, and should be made anew the next time its password is known. */
  isWeak(phc: string): boolean {
    const [, memory, time] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$/.exec(phc) ?? [];
    return Number(memory ?? 0) < COST.memoryCost || Number(time ?? 0) < COST.timeCost;
  }

  /** Takes as long when there is nothing to compare with as when there is. */
  async verify(against: string | null | undefined, password: string): Promise<boolean> {
    const matches = await this.gate.run(() => this.threads.verify(against ?? this.dummy, password.normalize('NFC')));
    return matches && typeof against === 'string';
  }
}

function unpadded(bytes: number): string {
  return randomBytes(bytes).toString('base64').replaceAll('=', '');
}

export function loginBusy(): AppError {
  return new AppError('unavailable', 'login_busy', 'Too many people are signing in at this moment; try again.', { retryAfterSeconds: 1 });
}
