import { hash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { canonicalJson, type Json } from '../../kernel/canonical-json.js';
import { parseIp } from '../../kernel/ip-address.js';

export type Members = Record<string, Json | undefined>;
type Whole = Record<string, Json>;

/** Whose an event's personal members are: of who acted, of whom it is about, or of one person who is both. */
export interface Persons {
  actor?: string;
  subject?: string;
}

type Role = 'actor' | 'subject' | 'both';

/** What an event says of one person: where in it (RFC 6901), and what. */
export interface Part {
  of: Role;
  person: string;
  members: Record<string, Json>;
}

/** What lies beside the payload so that it can be found. */
export interface PersonalColumns {
  clientIp: string | null;
  names: string | null;
}

/** Resources that are a person's own: their name and all that is said of them is personal. */
const OWN = new Set(['user', 'session', 'second_factor', 'identity', 'invitation']);
/** Of these it is the person who acts, unless the event says otherwise. */
const OF_THE_ACTOR = new Set(['session', 'second_factor', 'identity']);
const ACCOUNTS = new Set(['user', 'service']);
const CONTENT = ['changes', 'before', 'after', 'detail'] as const;
/** Members of a request that say nothing about who sent it. */
const IMPERSONAL = new Set(['method', 'route']);
/** As much as audit_words() looks at. */
const SEARCHED = { name: 300, detail: 4000 } as const;

/** Whom an event speaks of. `subject` is what its writer says; a person otherwise only where the resource is one. */
export function personsIn(members: Members, subject: string | undefined): Persons {
  const { kind, id, ownerId } = objectAt(members.actor);
  const resource = objectAt(members.resource);
  const actor = isOne(ACCOUNTS, kind) ? id : ownerId;
  const about =
    subject ?? (resource.type === 'user' ? resource.id : isOne(OF_THE_ACTOR, resource.type) && isOne(ACCOUNTS, kind) ? id : undefined);
  return {
    ...(typeof actor === 'string' ? { actor } : {}),
    // Somebody who gave a name that nobody has.
    ...(typeof about === 'string' && about !== 'unknown' ? { subject: about } : {}),
  };
}

/** Takes what is personal out of the members, which are changed. */
export function takeOut(members: Members, { actor, subject }: Persons): Part[] {
  const parts: Part[] = [];
  const partOf = (person: string, of: Role): Part => {
    const part: Part = { of, person, members: {} };
    parts.push(part);
    return part;
  };
  const ofActor = actor === undefined ? undefined : partOf(actor, actor === subject ? 'both' : 'actor');
  const ofSubject = subject === undefined ? undefined : subject === actor ? ofActor : partOf(subject, 'subject');
  if (ofSubject) takeSubject(members, ofSubject);
  if (ofActor) takeActor(members, ofActor);
  // Whoever comes without a name to somebody's account is taken to be that person.
  const ofCaller = ofActor ?? (objectAt(members.actor).kind === 'anonymous' ? ofSubject : undefined);
  if (ofCaller) takeRequest(members, ofCaller);
  return parts.filter((part) => Object.keys(part.members).length > 0);
}

/** What to find the event by. */
export function columnsOf(parts: readonly Part[]): PersonalColumns {
  const all: Record<string, Json> = Object.assign({}, ...parts.map((part) => part.members)) as Record<string, Json>;
  const { '/actor/name': actor, '/resource/name': resource, '/detail': detail, '/request/clientIp': clientIp } = all;
  const names: Whole = {};
  if (typeof actor === 'string') names.actor = cut(actor, SEARCHED.name);
  if (typeof resource === 'string') names.resource = cut(resource, SEARCHED.name);
  if (detail !== undefined) names.detail = cut(JSON.stringify(detail), SEARCHED.detail);
  return {
    clientIp: typeof clientIp === 'string' ? plainIp(clientIp) : null,
    names: Object.keys(names).length > 0 ? canonicalJson(names) : null,
  };
}

/** Ties the columns to the sealed payload without saying what is in them; nothing is left to guess by once the salt is gone. */
export function commitmentTo(salt: Buffer, { clientIp, names }: PersonalColumns): string {
  return hash('sha256', Buffer.concat([salt, Buffer.from(canonicalJson({ clientIp, names }))]), 'base64');
}

/** An address as it is compared: IPv6 by RFC 5952, an IPv4-mapped one as IPv4; null for what is none. */
export function plainIp(text: string): string | null {
  if (isIPv4(text)) return text;
  const ip = parseIp(text);
  if (!ip) return null;
  if (ip.family === 4) return [24n, 16n, 8n, 0n].map((shift) => (ip.value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((ip.value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Puts members back where they were. */
export function putBack(event: Whole, members: Record<string, Json>): void {
  for (const [pointer, value] of Object.entries(members)) {
    const path = pointer
      .slice(1)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = path.pop() ?? '';
    // The way there was left in the event; what somebody else made of it has no place for it.
    const holder = path.reduce<unknown>((at, name) => (isObject(at) ? at[name] : undefined), event);
    if (isObject(holder)) holder[last] = value;
  }
}

function takeSubject(members: Members, part: Part): void {
  const resource = objectAt(members.resource);
  // What is about a person in something else, such as a group, is told by its detail.
  const own = isOne(OWN, resource.type);
  if (own) take(members.resource, 'name', '/resource', part);
  for (const name of own ? CONTENT : (['detail'] as const)) take(members, name, '', part);
}

function takeActor(members: Members, part: Part): void {
  const { name, kind } = objectAt(members.actor);
  take(members.actor, 'name', '/actor', part);
  // A key's name is not its owner's.
  if (typeof name !== 'string' || !isOne(ACCOUNTS, kind)) return;
  for (const content of CONTENT) takeName(members[content], name, `/${content}`, part);
}

function takeRequest(members: Members, part: Part): void {
  for (const name of Object.keys(objectAt(members.request))) if (!IMPERSONAL.has(name)) take(members.request, name, '/request', part);
}

/** Wherever the name stands for itself: `createdBy` and the like. */
function takeName(value: Json | undefined, name: string, at: string, part: Part): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (member === name || (Array.isArray(member) && member.includes(name))) take(value, key, at, part);
    else takeName(member, name, `${at}/${escaped(key)}`, part);
  }
}

function take(holder: Json | Members | undefined, name: string, at: string, part: Part): void {
  if (!isObject(holder)) return;
  const value = holder[name];
  if (value === undefined) return;
  part.members[`${at}/${escaped(name)}`] = value;
  // Of an object that was made for this event. Not deleted, which would make every later look at it slow; and a list keeps its places.
  holder[name] = Array.isArray(holder) ? null : undefined;
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function isOne(of: ReadonlySet<string>, value: Json | undefined): boolean {
  return typeof value === 'string' && of.has(value);
}

/** A cut may halve a surrogate pair, and PostgreSQL has no NUL. */
function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed().replaceAll('\0', ' ');
}

function objectAt(value: Json | undefined): Whole {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
