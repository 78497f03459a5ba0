import { type KeyNote, readKeyNote } from '../sealing/signing-keys.js';
import { type SignedNote, isSignedBy } from '../sealing/signed-note.js';
import { type StoredKey } from '../sealing/sealing.repository.js';
import { type Finding, found } from './finding.js';

/**
 * Which keys may have signed what. Trusted are our own and those given by hand; and whatever vouches for one of them or is vouched for by
 * one: a note of two keys about each other takes both of them to make.
 */
export class TrustedKeys {
  readonly findings: Finding[] = [];
  private readonly notes: KeyNote[] = [];
  private readonly trusted: Set<string>;

  constructor(installation: string, stored: readonly StoredKey[], ours: readonly Buffer[]) {
    this.trusted = new Set(ours.map((key) => key.toString('hex')));
    for (const [i, { ordinal, publicKey, note }] of stored.entries()) {
      const read = readKeyNote(note, installation);
      if (read?.ordinal !== ordinal || ordinal !== i || !read.publicKey.equals(publicKey))
        this.findings.push(found('key_unknown', 'meta', `Signing key ${ordinal} was altered, or one before it is missing.`));
      else this.notes.push(read);
    }
    for (let before = -1; before !== this.trusted.size;) {
      before = this.trusted.size;
      for (const { publicKey, previous, vouched } of this.notes)
        if (vouched && previous && (this.has(publicKey) || this.has(previous)))
          for (const key of [publicKey, previous]) this.trusted.add(key.toString('hex'));
    }
    for (const { ordinal, publicKey } of this.notes)
      if (!this.has(publicKey))
        this.findings.push(
          found(
            'key_unknown',
            'meta',
            `Signing key ${ordinal}, ${publicKey.toString('base64')}, is not ours and no key of ours vouches for it.`,
          ),
        );
  }

  /** Whether the key that was valid for this checkpoint of this log signed the note, and is to be trusted. */
  signed(note: SignedNote, origin: string, log: string, number: number): boolean {
    const valid = this.notes.findLast(({ from }) => (from.get(log) ?? 0) <= number);
    return valid !== undefined && this.has(valid.publicKey) && isSignedBy(note, origin, valid.publicKey);
  }

  /** Whether any trusted key signed it: for what may be older than the log it is compared with. */
  signedByAny(note: SignedNote, origin: string): boolean {
    return [...this.trusted].some((key) => isSignedBy(note, origin, Buffer.from(key, 'hex')));
  }

  private has(key: Buffer): boolean {
    return this.trusted.has(key.toString('hex'));
  }
}
