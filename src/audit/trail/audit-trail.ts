import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { Clock } from '../../kernel/clock.js';
import { currentContext } from '../../platform/context/request-context.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { fewRandomBytes } from '../../platform/crypto/random-pool.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { redact } from '../../platform/logging/redaction.js';
import { flagsOf } from '../catalogue/flags.js';
import { type DataKey } from '../personal/data-key.js';
import { type Members, personsIn } from '../personal/personal-members.js';
import { SubjectKeys } from '../personal/subject-keys.js';
import { WriterMac } from '../sealing/writer-mac.js';
import { type AuditEvent, classOf } from './audit-event.js';
import { auditable, changesBetween } from './changes.js';
import { Countries } from './countries.js';
import { deviceOf } from './device.js';
import { authenticated, type Begun, type Draft, finished, finishedDraft } from './draft.js';
import { INSERT_EVENTS, type Leaf, packed, parametersOf } from './inbox-rows.js';
import { processingOf } from './processing.js';

const FLUSH_AT = 500;
const ANONYMOUS = { kind: 'anonymous', id: 'anonymous', name: 'anonymous' } as const;

interface Head {
  id: string;
  at: Date;
  /** How many events this process made up to it. */
  seq: number;
}

/** The one door to the audit trail. */
@Injectable()
export class AuditTrail {
  /** This process, as its events name it. */
  readonly writer = randomUUID();
  private written = 0;
  private readonly mac: WriterMac;
  private readonly pending = new WeakMap<object, Leaf[]>();

  constructor(
    private readonly work: UnitOfWork,
    keys: KeyStore,
    private readonly clock: Clock,
    private readonly subjects: SubjectKeys,
    private readonly countries: Countries,
  ) {
    this.mac = new WriterMac([keys.auditWriter]);
  }

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

  /** The event for whoever writes it outside of a unit of work, where this is called too. */
  async draft(event: AuditEvent): Promise<Draft> {
    const { head, begun } = await this.begun(event);
    return { ...begun, text: JSON.stringify(this.membersOf(head, event)) };
  }

  /** As they will lie in the log. */
  finished(drafts: readonly Draft[]): Leaf[] {
    return drafts.map((draft) => finishedDraft(draft, this.mac));
  }

  /** The same event, saying that it was put aside at this moment and reached the database later. */
  late(leaf: Leaf): Leaf {
    // A payload of ours is an object.
    const members = JSON.parse(leaf.payload) as Record<string, Json>;
    return authenticated(
      { ...leaf, payload: canonicalJson({ ...members, late: { spooledAt: this.clock.now().toISOString() } }) },
      this.mac,
    );
  }

  private async flush(unit: object): Promise<void> {
    const leaves = this.pending.get(unit) ?? [];
    if (leaves.length === 0) return;
    this.pending.set(unit, []);
    await this.insert(leaves);
  }

  private async insert(leaves: readonly Leaf[]): Promise<void> {
    await this.work.queryInside(INSERT_EVENTS, parametersOf(packed(leaves)));
  }

  private async leafOf(event: AuditEvent): Promise<Leaf> {
    const { head, begun } = await this.begun(event);
    return finished(begun, () => this.membersOf(head, event), this.mac);
  }

  private async begun(event: AuditEvent): Promise<{ head: Head; begun: Begun }> {
    const at = this.clock.now();
    const seq = ++this.written;
    // Of the same millisecond, the later event has the higher id.
    const id = uuidv7({ msecs: at.getTime(), seq: seq % 2 ** 32, random: fewRandomBytes(16) });
    const persons = personsIn({ actor: toJson(actorIn(event)), resource: toJson(event.resource) }, event.subject);
    const keys = new Map<string, DataKey>();
    for (const person of Object.values(persons) as string[])
      keys.set(person, this.subjects.known(person) ?? (await this.work.run(() => this.subjects.for(person))));
    return { head: { id, at, seq }, begun: { id, class: classOf(event), persons, keys } };
  }

  private membersOf({ id, at, seq }: Head, event: AuditEvent): Members {
    const context = currentContext();
    const members: Members = {
      v: 1,
      id,
      at: at.toISOString(),
      writer: { id: this.writer, seq },
      actor: toJson(actorIn(event)),
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

function actorIn({ actor }: AuditEvent): object {
  if (actor) return actor;
  const principal = currentContext()?.principal;
  if (!principal) return ANONYMOUS;
  const { kind, id, name, sessionId, ownerId, tokenId } = principal;
  return { kind, id, name, sessionId, ownerId, tokenId };
}

function requestOf(context: NonNullable<ReturnType<typeof currentContext>>, country: string | undefined): Json {
  const { clientAddress: clientIp, peerAddress: peerIp, userAgent, method, route, forwardedFor } = context;
  return toJson({ clientIp, peerIp, userAgent, method, route, forwardedFor, country, device: deviceOf(userAgent) });
}
