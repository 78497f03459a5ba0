import { hash } from 'node:crypto';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { type DataKey } from '../personal/data-key.js';
import { type Members, type Persons } from '../personal/personal-members.js';
import { type Hidden, hide } from '../personal/personal-payload.js';
import { type WriterMac } from '../sealing/writer-mac.js';
import { type Leaf } from './inbox-rows.js';

const MAX_PAYLOAD = 61_440;

/** An event that has an id, before what it says of persons is encrypted: with which keys, by account. */
export interface Begun {
  id: string;
  class: number;
  persons: Persons;
  keys: ReadonlyMap<string, DataKey>;
}

/** Its members as JSON: another thread can finish it. */
export interface Draft extends Begun {
  text: string;
}

/** As it will lie in the log. `membersOf` makes its members anew each time. */
export function finished(begun: Begun, membersOf: () => Members, writer: WriterMac): Leaf {
  const hidden = (members: Members): Omit<Hidden, 'members'> & { payload: string } => {
    const { members: sealed, ...beside } = hide(members, begun.persons, (person) => keyOf(begun.keys, person));
    return { payload: canonicalJson(sealed as Json), ...beside };
  };
  let written = hidden(membersOf());
  if (Buffer.byteLength(written.payload) > MAX_PAYLOAD) written = hidden(headOf(membersOf()));
  return authenticated({ id: begun.id, class: begun.class, ...written }, writer);
}

export function finishedDraft(draft: Draft, writer: WriterMac): Leaf {
  return finished(draft, () => JSON.parse(draft.text) as Members, writer);
}

export function authenticated(written: Omit<Leaf, 'leaf' | 'mac'>, writer: WriterMac): Leaf {
  const leaf = hash('sha256', `\0${written.payload}`, 'buffer');
  return { ...written, leaf, mac: writer.of(leaf) };
}

/** An event beyond the size of a log entry keeps its head and the digest of the whole; it never fails the change it records. */
function headOf(members: Members): Members {
  const whole = canonicalJson(toJson(members));
  const head = Object.fromEntries(Object.entries(members).filter(([name]) => !['before', 'after', 'changes', 'detail'].includes(name)));
  return { ...head, truncated: { bytes: Buffer.byteLength(whole), sha256: hash('sha256', whole) } };
}

function keyOf(keys: ReadonlyMap<string, DataKey>, person: string): DataKey {
  const key = keys.get(person);
  if (!key) throw new Error('A key of the audit trail was not fetched.');
  return key;
}
