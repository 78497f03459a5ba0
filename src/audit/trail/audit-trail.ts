import { createHmac, hash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { Clock } from '../../kernel/clock.js';
import { currentContext, type Principal } from '../../platform/context/request-context.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { fewRandomBytes } from '../../platform/crypto/random-pool.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { redact } from '../../platform/logging/redaction.js';
import { flagsOf } from '../catalogue/flags.js';
import { type DataKey } from '../personal/data-key.js';
import { type Members, personsIn } from '../personal/personal-members.js';
import { hide } from '../personal/personal-payload.js';
import { SubjectKeys } from '../personal/subject-keys.js';
import { type AuditEvent, classOf } from './audit-event.js';
import { auditable, changesBetween } from './changes.js';
import { Countries } from './countries.js';
import { deviceOf } from './device.js';
import { INSERT_EVENTS, type Leaf, packed } from './inbox-rows.js';
import { processingOf } from './processing.js';

const MAX_PAYLOAD = 61_440;
const FLUSH_AT = 500;
const ANONYMOUS = { kind: 'anonymous', id: 'anonymous', name: 'anonymous' } as const;

/** The one door to the audit trail. */
@Injectable()
export class AuditTrail {
  /** This process, as its events name it. */
  readonly writer = randomUUID();
  private written = 0;
  private readonly pending = new WeakMap<object, Leaf[]>();

  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
    private readonly subjects: SubjectKeys,
    private readonly countries: Countries,
  ) {}

  /**
   * Records an event in the open unit of work: it is committed with the change or not at all. An update that changes nothing is no event.
   * Throws when no unit of work is open. When the trail cannot be written the unit of work fails.
   */
  async record(event: AuditEvent): Promise<void> {
    if (event.before && event.after && changesBetween(event.before, event.after).length === 0) return;
    const unit = this.work.current;
    const leaf = await this.leafOf(event);
    const waiting = this.pending.get(unit);
    if (waiting) {
      waiting.push(leaf);
      if (waiting.length >= FLUSH_AT) await this.flush(unit);
      return;
    }
    this.pending.set(unit, [leaf]);
    this.work.beforeCommit(() => this.flush(unit));
  }

  /** Records what happened although nothing changed: a refusal, a failure. In a transaction of its own, after the rolled-back one. */
  async recordAlone(event: AuditEvent): Promise<void> {
    await this.work.run(() => this.record(event));
  }

  /**
   * Records that something begins whose result is another event, and returns the id that the other one names as `attempt`. It is committed
   * when this resolves, so it is called outside of a unit of work.
   */
  async attempt(event: Omit<AuditEvent, 'outcome' | 'before' | 'after'>): Promise<string> {
    const leaf = await this.leafOf({ ...event, outcome: 'unknown' });
    await this.work.run(() => this.insert([leaf]));
    return leaf.id;
  }

  /** The event as it will lie in the log, for whoever writes it outside of a unit of work, where this is called too. */
  prepare(event: AuditEvent): Promise<Leaf> {
    return this.leafOf(event);
  }

  /** The same event, saying that it was put aside at this moment and reached the database later. */
  late(leaf: Leaf): Leaf {
    // A payload of ours is an object.
    const members = JSON.parse(leaf.payload) as Record<string, Json>;
    return this.sealed({ ...leaf, payload: canonicalJson({ ...members, late: { spooledAt: this.clock.now().toISOString() } }) });
  }

  private async flush(unit: object): Promise<void> {
    const leaves = this.pending.get(unit) ?? [];
    if (leaves.length === 0) return;
    this.pending.set(unit, []);
    await this.insert(leaves);
  }

  private async insert(leaves: readonly Leaf[]): Promise<void> {
    await this.work.queryInside(INSERT_EVENTS, packed(leaves));
  }

  private async leafOf(event: AuditEvent): Promise<Leaf> {
    const at = this.clock.now();
    const seq = ++this.written;
    // Of the same millisecond, the later event has the higher id.
    const id = uuidv7({ msecs: at.getTime(), seq: seq % 2 ** 32, random: fewRandomBytes(16) });
    const members = this.membersOf({ id, at, seq }, event);
    const persons = personsIn(members, event.subject);
    const keys = new Map<string, DataKey>();
    for (const person of Object.values(persons) as string[])
      keys.set(person, this.subjects.known(person) ?? (await this.work.run(() => this.subjects.for(person))));
    const hidden = (of: Members): { payload: string; clientIp: string | null; names: string | null; salt: Buffer | null } => {
      const { members: sealed, ...beside } = hide(of, persons, (person) => keyOf(keys, person));
      return { payload: canonicalJson(sealed as Json), ...beside };
    };
    let written = hidden(members);
    if (Buffer.byteLength(written.payload) > MAX_PAYLOAD) written = hidden(headOf(this.membersOf({ id, at, seq }, event)));
    return this.sealed({ id, class: classOf(event), ...written });
  }

  private sealed(written: Omit<Leaf, 'leaf' | 'mac'>): Leaf {
    const leaf = hash('sha256', `\0${written.payload}`, 'buffer');
    return { ...written, leaf, mac: createHmac('sha256', this.keys.auditWriter).update(leaf).digest() };
  }

  private membersOf({ id, at, seq }: { id: string; at: Date; seq: number }, event: AuditEvent): Members {
    const context = currentContext();
    const principal = context?.principal;
    const members: Members = {
      v: 1,
      id,
      at: at.toISOString(),
      writer: { id: this.writer, seq },
      actor: toJson(event.actor ?? (principal ? actorOf(principal) : ANONYMOUS)),
      action: event.action,
      category: event.category,
      severity: event.severity ?? 'info',
      outcome: event.outcome ?? 'success',
      flags: [...(event.flags ?? flagsOf(event.action))],
      resource: event.resource ? toJson(event.resource) : undefined,
      request: context ? requestOf(context, this.countries.of(context.clientAddress)) : undefined,
      processing: context ? processingOf(context) : undefined,
      correlationId: context?.requestId,
      detail: event.detail ? redact(toJson(event.detail)) : undefined,
    };
    if (event.before && event.after) members.changes = changesBetween(event.before, event.after).map((c) => ({ ...c }));
    else if (event.after) members.after = auditable(event.after);
    else if (event.before) members.before = auditable(event.before);
    return members;
  }
}

function actorOf({ kind, id, name, sessionId, ownerId, tokenId }: Principal): object {
  return { kind, id, name, sessionId, ownerId, tokenId };
}

function requestOf(context: NonNullable<ReturnType<typeof currentContext>>, country: string | undefined): Json {
  const { clientAddress: clientIp, peerAddress: peerIp, userAgent, method, route, forwardedFor } = context;
  return toJson({ clientIp, peerIp, userAgent, method, route, forwardedFor, country, device: deviceOf(userAgent) });
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
