import { type ClientBase } from 'pg';
import { commitmentTo, plainIp } from '../personal/personal-members.js';
import { type Finding, found } from './finding.js';
import { type Commitment } from './projection.js';

/** The event of an erasure; its detail names the keys. */
const ERASED = 'audit.subject_erased';

/** What lies beside the payload of an event that has something personal encrypted. */
export interface Beside {
  clientIp: string | null;
  names: string | null;
  salt: Buffer | null;
}

/** Compares what lies beside a payload with what the payload has sealed of it, without any key. */
export class PersonalCheck {
  private constructor(
    private readonly kids: ReadonlySet<string>,
    private readonly destroyed: ReadonlySet<string>,
  ) {}

  static async on(client: ClientBase): Promise<PersonalCheck> {
    const { rows } = await client.query<{ kid: string; gone: boolean }>('SELECT kid, wrapped IS NULL AS gone FROM audit_subject_key');
    return new PersonalCheck(new Set(rows.map(({ kid }) => kid)), new Set(rows.filter(({ gone }) => gone).map(({ kid }) => kid)));
  }

  /** Whether the keys are there, or were destroyed: they are never taken away. */
  knows(commitment: Commitment | undefined): boolean {
    return commitment?.kids.every((kid) => this.kids.has(kid)) ?? true;
  }

  /** Whether the columns are what was sealed. They may be empty only where the key of somebody in the event was destroyed. */
  holds({ clientIp, names, salt }: Beside, commitment: Commitment | undefined): boolean {
    if (!commitment) return names === null && salt === null;
    if (names === null && salt === null && clientIp === null) return commitment.kids.some((kid) => this.destroyed.has(kid));
    if (salt === null) return false;
    const said = { clientIp: clientIp === null ? null : plainIp(clientIp), names };
    return commitmentTo(salt, said) === commitment.digest;
  }
}

/** Keys that are destroyed although no event of an erasure names them: what they hid is lost, and nobody answered for it. */
export async function destroyedUnsaid(client: ClientBase): Promise<Finding[]> {
  const { rows } = await client.query<{ kid: string }>(
    `SELECT k.kid FROM audit_subject_key k
      WHERE k.wrapped IS NULL
        AND NOT EXISTS (SELECT FROM audit_log l WHERE l.action = '${ERASED}' AND l.payload LIKE '%"' || k.kid || '"%')
        AND NOT EXISTS (SELECT FROM audit_inbox i WHERE i.payload LIKE '%"${ERASED}"%' AND i.payload LIKE '%"' || k.kid || '"%')
      ORDER BY k.kid LIMIT 100`,
  );
  return rows.map(({ kid }) => found('key_destroyed', 'meta', `The key ${kid} of a person was destroyed, but no event says so.`));
}
