import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { currentContext } from '../../platform/context/request-context.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { nameDigest } from './login-name.js';
import { SignInSettings } from './sign-in-settings.js';
import { judge, lockSeconds, type Tries } from './throttle-rules.js';

/** One try at a secret of somebody's: a password, a code. */
export interface Attempt {
  id: string;
  digest: Buffer;
  /** The address itself in IPv4, its /64 in IPv6: what one caller can have many of counts once. */
  network: string;
}

/** A process that died leaves attempts under way for ever. */
const UNDER_WAY = `NOT a.failed AND a.at > clock_timestamp() - interval '1 minute'`;

const TRIES = `
  SELECT CASE WHEN n.last_failure_at > clock_timestamp() - make_interval(secs => $3) THEN n.failures ELSE 0 END AS failures,
         (SELECT count(*)::int FROM login_attempts a WHERE a.name_digest = $1 AND a.network = $2 AND ${UNDER_WAY}) AS "underWay",
         coalesce(greatest(0, extract(epoch FROM n.locked_until - clock_timestamp())), 0)::float8 AS "lockedSeconds",
         coalesce(n.last_success_at > now() - make_interval(days => $4), false) AS known,
         name.failures AS "nameFailures", name.quiet AS "nameQuietSeconds",
         network.failures AS "networkFailures", network.free AS "networkFreeInSeconds"
    FROM (SELECT count(*)::int AS failures, coalesce(extract(epoch FROM clock_timestamp() - max(a.at)), 3600)::float8 AS quiet
            FROM login_attempts a
           WHERE a.name_digest = $1 AND a.at > clock_timestamp() - interval '1 hour' AND (a.failed OR ${UNDER_WAY})) AS name
   CROSS JOIN (SELECT count(*)::int AS failures, coalesce(900 - extract(epoch FROM clock_timestamp() - min(a.at)), 0)::float8 AS free
                 FROM login_attempts a
                WHERE a.network = $2 AND a.failed AND a.at > clock_timestamp() - interval '15 minutes') AS network
    LEFT JOIN login_networks n ON n.name_digest = $1 AND n.network = $2`;

/** While a pair is locked, what was under way when the lock fell counts no more: one lock, not two. */
const COUNT_FAILURE = `
  INSERT INTO login_networks AS n (name_digest, network, failures, last_failure_at)
  VALUES ($1, $2, 1, clock_timestamp())
  ON CONFLICT (name_digest, network) DO UPDATE
     SET failures = CASE WHEN n.last_failure_at > clock_timestamp() - make_interval(secs => $3) THEN n.failures + 1 ELSE 1 END,
         locks = CASE WHEN n.last_failure_at > clock_timestamp() - make_interval(secs => $4) THEN n.locks ELSE 0 END,
         last_failure_at = clock_timestamp()
   WHERE n.locked_until IS NULL OR n.locked_until <= clock_timestamp()
  RETURNING failures, locks`;

const NOTE_SUCCESS = `
  INSERT INTO login_networks (name_digest, network, last_success_at)
  VALUES ($1, $2, now())
  ON CONFLICT (name_digest, network) DO UPDATE SET failures = 0, locks = 0, locked_until = NULL, last_success_at = now()`;

/**
 * Slows down who guesses. An attempt is entered before its secret is looked at, under a lock of the name, so that the limit holds however
 * many instances are asked at once. Names nobody has are treated like all others.
 */
@Injectable()
export class LoginThrottle {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: SignInSettings,
    private readonly keys: KeyStore,
  ) {}

  /**
   * Lets `work` make one attempt in this name, from where the request comes, and tell how it ended. What it throws without having told is
   * no attempt. Throws `login_locked` or `login_delayed`.
   */
  async attempt<T>(name: string, work: (attempt: Attempt) => Promise<T>): Promise<T> {
    const attempt = await this.admit(name);
    try {
      return await work(attempt);
    } catch (error) {
      await this.withdraw(attempt);
      throw error;
    }
  }

  /** It proved nothing either way. */
  async withdraw({ id }: Attempt): Promise<void> {
    await this.work.query('DELETE FROM login_attempts WHERE id = $1 AND NOT failed', [id]);
  }

  /** Part of the open unit of work. Returns for how many seconds this failure locked the pair; undefined when it did not. */
  async failed({ id, digest, network }: Attempt): Promise<number | undefined> {
    const { settings } = this;
    await this.lock(digest);
    await this.work.queryInside('UPDATE login_attempts SET failed = true WHERE id = $1', [id]);
    const [counted] = await this.work.queryInside<{ failures: number; locks: number }>(COUNT_FAILURE, [
      digest,
      network,
      settings.lockSeconds,
      settings.lockSeconds + settings.lockSecondsMost,
    ]);
    if (!counted || counted.failures < settings.lockFailures) return undefined;
    const seconds = lockSeconds(counted.locks, settings);
    await this.work.queryInside(
      `UPDATE login_networks SET failures = 0, locks = locks + 1, locked_until = clock_timestamp() + make_interval(secs => $3)
        WHERE name_digest = $1 AND network = $2`,
      [digest, network, seconds],
    );
    return seconds;
  }

  /** Part of the open unit of work: the pair begins anew, and the network is known for this name. */
  async succeeded({ digest, network }: Attempt): Promise<void> {
    await this.lock(digest);
    await this.work.queryInside('DELETE FROM login_attempts WHERE name_digest = $1 AND network = $2', [digest, network]);
    await this.work.queryInside(NOTE_SUCCESS, [digest, network]);
  }

  /** Ends every lock and delay of a name. Part of the open unit of work. Returns how many networks were locked. */
  async unlock(name: string): Promise<number> {
    const digest = this.digestOf(name);
    await this.lock(digest);
    await this.work.queryInside('DELETE FROM login_attempts WHERE name_digest = $1', [digest]);
    const locked = await this.work.queryInside('SELECT FROM login_networks WHERE name_digest = $1 AND locked_until > clock_timestamp()', [
      digest,
    ]);
    await this.work.queryInside('UPDATE login_networks SET failures = 0, locks = 0, locked_until = NULL WHERE name_digest = $1', [digest]);
    return locked.length;
  }

  /** Forgets what no rule looks at any more, and returns how many rows that were. */
  async forgetOld(): Promise<number> {
    const attempts = await this.work.query(`DELETE FROM login_attempts WHERE at < now() - interval '1 day' RETURNING id`);
    const networks = await this.work.query(
      `DELETE FROM login_networks
        WHERE coalesce(last_success_at, '-infinity') < now() - make_interval(days => $1)
          AND greatest(last_failure_at, locked_until, '-infinity') < now() - make_interval(secs => $2)
        RETURNING failures`,
      [this.settings.knownDays, this.settings.lockSeconds + this.settings.lockSecondsMost],
    );
    return attempts.length + networks.length;
  }

  private admit(name: string): Promise<Attempt> {
    const digest = this.digestOf(name);
    const { lockSeconds: memory, knownDays } = this.settings;
    return this.work.run(async () => {
      await this.lock(digest);
      const network = await this.network();
      const [tries] = await this.work.queryInside<Tries & Record<string, unknown>>(TRIES, [digest, network, memory, knownDays]);
      if (!tries) throw new Error('A SELECT without WHERE gave no row.');
      const verdict = judge(tries, this.settings);
      if (verdict.outcome !== 'admitted') throw refused(verdict.outcome, verdict.retryAfterSeconds);
      const [entered] = await this.work.queryInside<{ id: string }>(
        'INSERT INTO login_attempts (name_digest, network) VALUES ($1, $2) RETURNING id',
        [digest, network],
      );
      return { id: entered?.id ?? '', digest, network };
    });
  }

  private async network(): Promise<string> {
    const [address = ''] = (currentContext()?.clientAddress ?? '').split('%');
    const family = isIP(address);
    if (family !== 6) return `${family === 4 ? address : '0.0.0.0'}/32`;
    const [row] = await this.work.query<{ network: string }>('SELECT network(set_masklen($1::inet, 64))::text AS network', [address]);
    return row?.network ?? '::/64';
  }

  private digestOf(name: string): Buffer {
    return nameDigest(name, this.keys.auditWriter);
  }

  /** One at a time for each name, until the unit of work ends. */
  private async lock(digest: Buffer): Promise<void> {
    await this.work.queryInside('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`cadastre login ${digest.toString('hex')}`]);
  }
}

function refused(outcome: 'locked' | 'delayed', retryAfterSeconds: number): AppError {
  return outcome === 'locked'
    ? new AppError('locked', 'login_locked', 'Too many wrong attempts from here; wait, or ask an administrator to unlock you.', {
        retryAfterSeconds,
      })
    : new AppError('too_many', 'login_delayed', 'Too many wrong attempts; wait before the next one.', { retryAfterSeconds });
}
