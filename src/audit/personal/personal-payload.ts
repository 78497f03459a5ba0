import { canonicalJson, type Json } from '../../kernel/canonical-json.js';
import { fewRandomBytes } from '../../platform/crypto/random-pool.js';
import { type DataKey, encrypt } from './data-key.js';
import { columnsOf, commitmentTo, type Members, type PersonalColumns, type Persons, takeOut } from './personal-members.js';

/** An event's members as they are sealed, and what lies beside them. */
export interface Hidden extends PersonalColumns {
  members: Members;
  salt: Buffer | null;
}

const SALT_BYTES = 16;

/** Encrypts what the members, which are changed, say of persons. Nothing lies beside an event that speaks of none. */
export function hide(members: Members, persons: Persons, keyOf: (person: string) => DataKey): Hidden {
  const parts = takeOut(members, persons);
  if (parts.length === 0) return { members, clientIp: null, names: null, salt: null };
  const id = typeof members.id === 'string' ? members.id : '';
  const personal: Json = parts.map(({ of, person, members: said }) => {
    const key = keyOf(person);
    return { of, key: key.kid, data: encrypt(key, canonicalJson(said), id) };
  });
  const columns = columnsOf(parts);
  const salt = fewRandomBytes(SALT_BYTES);
  return { ...columns, salt, members: { ...members, personal, columns: commitmentTo(salt, columns) } };
}
