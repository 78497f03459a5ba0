import { Injectable } from '@nestjs/common';
import { KeyStore, type SigningKey } from '../../platform/crypto/key-store.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { SEALER } from './sealer-actor.js';
import { SealingRefused } from './log-trees.js';
import { SealingRepository, type StoredCheckpoint, type StoredKey } from './sealing.repository.js';
import { isSignedBy, parseNote, signNote } from './signed-note.js';

function keysOrigin(installation: string): string {
  return `cadastre/${installation}/keys`;
}

/**
 * Which key signs. The log knows every key it was ever signed with, by a note in which the new key and the one before it vouch for each
 * other; private keys are never in the database.
 */
@Injectable()
export class SigningKeys {
  constructor(
    private readonly ours: KeyStore,
    private readonly stored: SealingRepository,
    private readonly trail: AuditTrail,
  ) {}

  /**
   * The key to sign with. A new first key in the ring is introduced, inside the open unit of work, when the one before it is in the ring
   * too. Throws SealingRefused when the log is signed with a key that this process does not have.
   */
  async current(installation: string, heads: ReadonlyMap<string, StoredCheckpoint | undefined>, adopt = false): Promise<SigningKey> {
    const [first] = this.ours.auditSigners;
    if (!first) throw new Error('The key ring is empty.');
    const known = await this.stored.keys();
    const newest = known.at(-1);
    const previous = newest && this.ours.auditSigners.find(({ publicKey }) => publicKey.equals(newest.publicKey));
    if (newest && !previous && !adopt)
      throw new SealingRefused('The audit log is signed with a key that is not in CADASTRE_AUDIT_SIGNING_KEYS of this process.');
    // A process whose ring was not brought up to date yet goes on with the key that is valid now.
    if (previous && known.some(({ publicKey }) => publicKey.equals(first.publicKey))) return previous;
    await this.introduce(installation, first, newest, previous, heads);
    return first;
  }

  private async introduce(
    installation: string,
    key: SigningKey,
    newest: StoredKey | undefined,
    previous: SigningKey | undefined,
    heads: ReadonlyMap<string, StoredCheckpoint | undefined>,
  ): Promise<void> {
    const ordinal = newest ? newest.ordinal + 1 : 0;
    const from = [...heads].map(([name, last]) => ({ name, number: last ? last.number + 1 : 0, size: last?.size ?? 0 }));
    const text = [
      keysOrigin(installation),
      String(ordinal),
      key.publicKey.toString('base64'),
      newest?.publicKey.toString('base64') ?? '-',
      ...from.map(({ name, number, size }) => `${name} ${number} ${size}`),
      '',
    ].join('\n');
    const note = signNote(text, keysOrigin(installation), previous ? [key, previous] : [key]);
    await this.stored.addKey({ ordinal, publicKey: key.publicKey, note });
    await this.trail.record({
      action: 'audit.key_introduced',
      category: 'meta',
      severity: newest ? 'high' : 'info',
      actor: SEALER,
      resource: { type: 'audit_key', id: key.publicKey.toString('hex') },
      detail: { ordinal, vouchedFor: previous !== undefined, note },
    });
  }
}

/** What a key's note says. */
export interface KeyNote {
  ordinal: number;
  publicKey: Buffer;
  previous: Buffer | undefined;
  /** The first checkpoint of each class that this key signs. */
  from: ReadonlyMap<string, number>;
  /** Whether the key before it signed too. */
  vouched: boolean;
}

/** Undefined when the note is not of this installation, or not signed by the key itself. */
export function readKeyNote(note: string, installation: string): KeyNote | undefined {
  const parsed = parseNote(note);
  const [origin, ordinal = '', key = '', before = '', ...lines] = parsed?.text.split('\n') ?? [];
  const name = keysOrigin(installation);
  const publicKey = Buffer.from(key, 'base64');
  if (!parsed || origin !== name || publicKey.length !== 32 || !isSignedBy(parsed, name, publicKey)) return undefined;
  const previous = before === '-' ? undefined : Buffer.from(before, 'base64');
  const from = new Map(
    lines.slice(0, -1).map((line): [string, number] => {
      const [className = '', number = ''] = line.split(' ');
      return [className, Number(number)];
    }),
  );
  const vouched = previous?.length === 32 && isSignedBy(parsed, name, previous);
  return { ordinal: Number(ordinal), publicKey, previous, from, vouched };
}
