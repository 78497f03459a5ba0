import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Ed25519 in a signed note's key (C2SP signed-note). */
const ALGORITHM = 0x01;
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;

/** A name, a blank, and the base64 of key id and signature. */
interface NoteSignature {
  name: string;
  keyId: Buffer;
  signature: Buffer;
}

export interface SignedNote {
  /** Ends with a line feed. */
  text: string;
  signatures: NoteSignature[];
}

export interface NoteSigner {
  key: KeyObject;
  publicKey: Buffer;
}

/** The first four bytes of SHA-256(name ‖ LF ‖ algorithm ‖ public key). */
function keyId(name: string, publicKey: Buffer): Buffer {
  return createHash('sha256').update(`${name}\n`).update(Buffer.of(ALGORITHM)).update(publicKey).digest().subarray(0, 4);
}

/** A key as other implementations of signed notes take it: `<name>+<key id>+<base64 of algorithm and key>`. */
export function verifierKey(name: string, publicKey: Buffer): string {
  return `${name}+${keyId(name, publicKey).toString('hex')}+${Buffer.concat([Buffer.of(ALGORITHM), publicKey]).toString('base64')}`;
}

/** The public key of such a text; undefined when it is none. */
export function publicKeyIn(text: string): Buffer | undefined {
  const bytes = Buffer.from(text.split('+').slice(2).join('+') || text, 'base64');
  if (bytes.length === KEY_BYTES) return bytes;
  return bytes.length === KEY_BYTES + 1 && bytes[0] === ALGORITHM ? bytes.subarray(1) : undefined;
}

/** The note with a signature of each signer under `name`. `text` ends with a line feed. */
export function signNote(text: string, name: string, signers: readonly NoteSigner[]): string {
  if (!text.endsWith('\n')) throw new Error('The text of a note ends with a line feed.');
  const lines = signers.map(({ key, publicKey }) => {
    const signature = sign(null, Buffer.from(text), key);
    return `\u2014 ${name} ${Buffer.concat([keyId(name, publicKey), signature]).toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** Undefined when it is no signed note. */
export function parseNote(note: string): SignedNote | undefined {
  const cut = note.lastIndexOf('\n\n');
  if (cut < 0 || !note.endsWith('\n')) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of note.slice(cut + 2, -1).split('\n')) {
    const [, name = '', base64 = ''] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
    const bytes = Buffer.from(base64, 'base64');
    if (name === '' || bytes.length < 5) return undefined;
    signatures.push({ name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) });
  }
  return { text: note.slice(0, cut + 1), signatures };
}

/** Whether the note carries a signature of this key under `name`. */
export function isSignedBy({ text, signatures }: SignedNote, name: string, publicKey: Buffer): boolean {
  const id = keyId(name, publicKey);
  return signatures.some(
    (s) => s.name === name && s.keyId.equals(id) && verify(null, Buffer.from(text), keyObjectOf(publicKey), s.signature),
  );
}

const known = new Map<string, KeyObject>();

function keyObjectOf(publicKey: Buffer): KeyObject {
  const name = publicKey.toString('hex');
  let key = known.get(name);
  if (!key) {
    key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' });
    known.set(name, key);
  }
  return key;
}
