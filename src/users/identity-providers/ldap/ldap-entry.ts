import { type Entry } from 'ldapts';
import { type LdapConfig } from '../provider-config.dto.js';
import { type Posix, type Vouched } from '../provider.js';

/** In userAccountControl of Active Directory: ACCOUNTDISABLE. */
const AD_DISABLED = 2;
const DAY_MS = 86_400_000;
const POSIX = ['uidNumber', 'gidNumber', 'loginShell', 'homeDirectory'];
const SWITCHES = ['userAccountControl', 'nsAccountLock', 'pwdAccountLockedTime', 'shadowExpire'];

/** A person's entry. */
export interface Person {
  dn: string;
  /** As the directory writes it, not as it was typed. */
  uid: string;
  disabled: boolean;
  memberOf: string[];
  vouched: Vouched;
}

/** Which attributes a search must ask for: some of them are given to nobody who does not. */
export function attributesOf(config: LdapConfig): string[] {
  const { userAttribute, externalIdAttribute, emailAttribute, displayNameAttribute } = config;
  return [userAttribute, externalIdAttribute, emailAttribute, displayNameAttribute, 'memberOf', ...POSIX, ...SWITCHES];
}

/** Undefined for an entry without the attributes that name it. */
export function personOf(entry: Entry, config: LdapConfig): Person | undefined {
  const [externalId] = idsOf(entry, config.externalIdAttribute);
  const [uid] = valuesOf(entry, config.userAttribute);
  if (externalId === undefined || uid === undefined) return undefined;
  const [email] = valuesOf(entry, config.emailAttribute);
  const [displayName] = valuesOf(entry, config.displayNameAttribute);
  const posix = posixOf(entry);
  return {
    dn: entry.dn,
    uid,
    disabled: isDisabled(entry),
    memberOf: valuesOf(entry, 'memberOf'),
    vouched: {
      externalId,
      username: uid,
      groups: [],
      ...(email === undefined ? {} : { email }),
      ...(displayName === undefined ? {} : { displayName }),
      ...(posix ? { posix } : {}),
    },
  };
}

/** An attribute's values, whatever the case the directory writes its name in. */
export function valuesOf(entry: Entry, attribute: string): string[] {
  return rawOf(entry, attribute).map((value) => (Buffer.isBuffer(value) ? value.toString() : value));
}

/** Active Directory's objectGUID is bytes: their hexadecimal form names the entry. */
export function isBinary(attribute: string): boolean {
  return attribute.toLowerCase() === 'objectguid';
}

/** The first part of a DN, unescaped (RFC 4514 §3). */
export function firstNameOf(dn: string): string {
  const value = /^[^=]+=((?:\\.|[^,+\\])*)/.exec(dn)?.[1] ?? '';
  const bytes = value.replaceAll(/((?:\\[0-9a-fA-F]{2})+)/g, (escaped) => Buffer.from(escaped.replaceAll('\\', ''), 'hex').toString());
  return bytes.replaceAll(/\\(.)/g, '$1').trim();
}

export function isBelow(dn: string, base: string): boolean {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/\s*,\s*/g, ',');
  return plain(dn).endsWith(`,${plain(base)}`);
}

function idsOf(entry: Entry, attribute: string): string[] {
  return isBinary(attribute)
    ? rawOf(entry, attribute).map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(value)).toString('hex'))
    : valuesOf(entry, attribute);
}

function rawOf(entry: Entry, attribute: string): (Buffer | string)[] {
  const name = Object.keys(entry).find((key) => key.toLowerCase() === attribute.toLowerCase());
  const found = name === undefined ? [] : (entry[name] ?? []);
  return Array.isArray(found) ? found : [found];
}

function posixOf(entry: Entry): Posix | undefined {
  const number = (attribute: string): number => Number(valuesOf(entry, attribute)[0] ?? Number.NaN);
  const [uidNumber, gidNumber] = [number('uidNumber'), number('gidNumber')];
  if (!Number.isSafeInteger(uidNumber) || !Number.isSafeInteger(gidNumber)) return undefined;
  const [loginShell] = valuesOf(entry, 'loginShell');
  const [homeDirectory] = valuesOf(entry, 'homeDirectory');
  return {
    uidNumber,
    gidNumber,
    ...(loginShell === undefined ? {} : { loginShell }),
    ...(homeDirectory === undefined ? {} : { homeDirectory }),
  };
}

/** The ways directories switch somebody off: Active Directory, 389, OpenLDAP's password policy (for good), and shadow accounts. */
function isDisabled(entry: Entry): boolean {
  const [control] = valuesOf(entry, 'userAccountControl');
  const [locked] = valuesOf(entry, 'nsAccountLock');
  const [lockedTime] = valuesOf(entry, 'pwdAccountLockedTime');
  const [expire] = valuesOf(entry, 'shadowExpire');
  return (
    (Number(control ?? 0) & AD_DISABLED) !== 0 ||
    locked?.toLowerCase() === 'true' ||
    lockedTime === '000001010000Z' ||
    (expire !== undefined && Number(expire) >= 0 && Number(expire) * DAY_MS <= Date.now())
  );
}
