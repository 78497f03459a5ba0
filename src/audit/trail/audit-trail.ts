import { createHash, createHmac, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { Clock } from '../../kernel/clock.js';
import { currentContext } from '../../platform/context/request-context.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { redact } from '../../platform/logging/redaction.js';
import { type AuditEvent, classOf } from './audit-event.js';
import { auditable, changesBetween } from './changes.js';

/** One leaf of the log: `leaf` is SHA-256(0x00 ‖ payload) as in RFC 6962 §2.1, `mac` authenticates this program as its writer. */
interface Leaf {
  id: string;
  class: number;
  payload: string;
  leaf: Buffer;
  mac: Buffer;
}

export const INSERT_EVENTS = `
  INSERT INTO audit_inbox (id, class, payload, leaf, emit_mac)
  SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::bytea[], $5::bytea[])`;
const MAX_PAYLOAD = 61_440;
const FLUSH_AT = 500;

/** The one door to the audit trail. */
@Injectable()
export class AuditTrail {
  private readonly writer = randomUUID();
  private written = 0;
  private readonly pending = new WeakMap<object, Leaf[]>();

  constructor(
    private readonly work: UnitOfWork,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {}

  /**
   * Records an event in the open unit of work: it is committed with the change or not at all. An update that changes nothing is no event.
   * Throws when no unit of work is open. When the trail cannot be written the unit of work fails.
   */
  async record(event: AuditEvent): Promise<void> {
    if (event.before && event.after && changesBetween(event.before, event.after).length === 0) return;
    const unit = this.work.current;
    const waiting = this.pending.get(unit);
    const leaf = this.leafOf(event);
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

  private async flush(unit: object): Promise<void> {
    const leaves = this.pending.get(unit) ?? [];
    if (leaves.length === 0) return;
    this.pending.set(unit, []);
    await this.work.queryInside(INSERT_EVENTS, [
      leaves.map((l) => l.id),
      leaves.map((l) => l.class),
      leaves.map((l) => l.payload),
      leaves.map((l) => l.leaf),
      leaves.map((l) => l.mac),
    ]);
  }

  private leafOf(event: AuditEvent): Leaf {
    const at = this.clock.now();
    const seq = ++this.written;
    // Of the same millisecond, the later event has the higher id.
    const id = uuidv7({ msecs: at.getTime(), seq: seq % 2 ** 32 });
    const payload = this.payloadOf({ id, at, seq }, event);
    const leaf = createHash('sha256').update('\0').update(payload).digest();
    return {
      id,
      class: classOf(event),
      payload,
      leaf,
      mac: createHmac('sha256', this.keys.auditWriter).update(leaf).digest(),
    };
  }

  private payloadOf({ id, at, seq }: { id: string; at: Date; seq: number }, event: AuditEvent): string {
    const context = currentContext();
    const principal = context?.principal;
    const members: Record<string, Json | undefined> = {
      v: 1,
      id,
      at: at.toISOString(),
      writer: { id: this.writer, seq },
      actor: event.actor
        ? { ...event.actor }
        : principal
          ? {
              kind: principal.kind,
              id: principal.id,
              name: principal.name,
              ...(principal.sessionId ? { sessionId: principal.sessionId } : {}),
              ...(principal.ownerId ? { ownerId: principal.ownerId } : {}),
              ...(principal.tokenId ? { tokenId: principal.tokenId } : {}),
            }
          : { kind: 'anonymous', id: 'anonymous', name: 'anonymous' },
      action: event.action,
      category: event.category,
      severity: event.severity ?? 'info',
      outcome: event.outcome ?? 'success',
      flags: [...(event.flags ?? [])],
      resource: event.resource ? toJson(event.resource) : undefined,
      request: context ? requestOf(context) : undefined,
      correlationId: context?.requestId,
      detail: event.detail ? redact(toJson(event.detail)) : undefined,
    };
    if (event.before && event.after) members.changes = changesBetween(event.before, event.after).map((c) => ({ ...c }));
    else if (event.after) members.after = auditable(event.after);
    else if (event.before) members.before = auditable(event.before);
    return withinLimit(members);
  }
}

function requestOf(context: NonNullable<ReturnType<typeof currentContext>>): Json {
  const { clientAddress: clientIp, peerAddress: peerIp, userAgent, method, route } = context;
  return toJson({ clientIp, peerIp, userAgent, method, route });
}

/** An event beyond the size of a log entry keeps its head and the digest of the whole; it never fails the change it records. */
function withinLimit(members: Record<string, Json | undefined>): string {
  const whole = canonicalJson(toJson(members));
  if (Buffer.byteLength(whole) <= MAX_PAYLOAD) return whole;
  const head = Object.fromEntries(Object.entries(members).filter(([name]) => !['before', 'after', 'changes', 'detail'].includes(name)));
  return canonicalJson(
    toJson({ ...head, truncated: { bytes: Buffer.byteLength(whole), sha256: createHash('sha256').update(whole).digest('hex') } }),
  );
}
