import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../../kernel/app-error.js';
import { Clock } from '../../kernel/clock.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ArchiveSearch } from '../archive/archive-search.js';
import { type AuditFilter } from '../log/audit-filter.dto.js';
import { type GrowingTree } from '../sealing/growing-tree.js';
import { LogTrees, SealingRefused } from '../sealing/log-trees.js';
import { consistencyPath, includes, inclusionPath, leafHashHex, type NodeReader } from '../sealing/merkle.js';
import { SealingRepository, type StoredCheckpoint } from '../sealing/sealing.repository.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { EvidenceRepository, type LoggedEvent } from './evidence.repository.js';

export interface ProvenEvent extends LoggedEvent {
  path: Buffer[];
}

export interface LogEvidence {
  log: string;
  checkpoint: StoredCheckpoint;
  events: ProvenEvent[];
  consistency: { size: number; path: Buffer[] }[];
}

export interface Evidence {
  id: string;
  installation: string;
  takenAt: Date;
  logs: LogEvidence[];
  keys: { ordinal: number; publicKey: Buffer; note: string }[];
  /** Months that may have more of what a filter means, and that the log no longer has. */
  archivedMonths: number;
}

export interface EvidenceRequest {
  ids?: readonly string[];
  filter?: AuditFilter;
  consistentWith?: readonly { class: string; size: number }[];
}

export const MOST_EVENTS = 1000;

/** Proofs about single events, that hold without this program and without its database. */
@Injectable()
export class EvidenceService {
  constructor(
    private readonly work: UnitOfWork,
    private readonly events: EvidenceRepository,
    private readonly sealed: SealingRepository,
    private readonly trees: LogTrees,
    private readonly archives: ArchiveSearch,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** An event, and that the log's newest checkpoint holds it. Throws `audit_event_not_found`, `event_archived`, `event_not_sealed`, `audit_log_unsound`. */
  async proof(id: string): Promise<{ event: ProvenEvent; checkpoint: StoredCheckpoint; installation: string }> {
    return this.work.run(async () => {
      const [log] = await this.prove(await this.found([id]), []);
      const [event] = log?.events ?? [];
      if (!log || !event) throw AppError.notFound('audit_event', id);
      await this.trail.record({
        action: 'audit.proof_read',
        category: 'access',
        resource: { type: 'audit_event', id },
        detail: { seq: event.seq },
      });
      return { event, checkpoint: log.checkpoint, installation: await this.sealed.installation() };
    });
  }

  /** A pack that proves events to whoever has the public key. Throws as proof() does, and `too_many_events`. */
  async take({ ids, filter, consistentWith = [] }: EvidenceRequest): Promise<Evidence> {
    return this.work.run(async () => {
      const wanted = ids ?? (filter ? await this.events.find(filter, MOST_EVENTS + 1) : []);
      if (wanted.length > MOST_EVENTS)
        throw AppError.field('', 'too_many_events', `More than ${MOST_EVENTS} events match: ask for less at a time.`);
      // What a filter finds may be a second old; what was named must be there.
      const logged = ids ? await this.found(wanted) : await this.events.logged(wanted);
      const evidence = {
        id: uuidv7(),
        installation: await this.sealed.installation(),
        takenAt: this.clock.now(),
        logs: await this.prove(logged, consistentWith, ids === undefined),
        keys: await this.sealed.keys(),
        archivedMonths: filter ? await this.archives.leftOut(filter) : 0,
      };
      await this.trail.record({
        action: 'audit.evidence_taken',
        category: 'access',
        severity: 'medium',
        resource: { type: 'audit_evidence', id: evidence.id },
        detail: {
          filter: filter && asked(filter),
          ids: ids && [...ids],
          count: evidence.logs.reduce((sum, { events }) => sum + events.length, 0),
          ...(evidence.archivedMonths > 0 ? { archivedMonths: evidence.archivedMonths } : {}),
        },
      });
      return evidence;
    });
  }

  /** That the log of `to` events begins with the log of `from` events. Throws `checkpoint_not_found`. */
  async consistency(name: string, from: number, to: number): Promise<Buffer[]> {
    const checkpoint = await this.newest(await this.classOf(name));
    if (from === 0 && to === 0) return [];
    if (!checkpoint || from > to || to > checkpoint.size)
      throw new AppError(
        'not_found',
        'checkpoint_not_found',
        `The log ${name} was never signed with ${to} events, or had more of them before.`,
      );
    return sound(async () => consistencyPath(await this.reader(checkpoint), from, to));
  }

  async classOf(name: string): Promise<number> {
    const head = (await this.events.heads()).find((h) => h.name === name);
    if (!head) throw AppError.notFound('audit_log', name);
    return head.class;
  }

  private async found(ids: readonly string[]): Promise<LoggedEvent[]> {
    const unique = [...new Set(ids.map((id) => id.toLowerCase()))];
    const logged = await this.events.logged(unique);
    const there = new Set(logged.map(({ id }) => id));
    const missing = unique.filter((id) => !there.has(id));
    const [waiting] = await this.events.waiting(missing);
    if (waiting !== undefined) throw notSealed(waiting);
    if (missing[0] !== undefined) throw await this.events.missing(missing[0]);
    return logged;
  }

  private async prove(
    logged: readonly LoggedEvent[],
    consistentWith: readonly { class: string; size: number }[],
    skipUnsealed = false,
  ): Promise<LogEvidence[]> {
    const names = new Set([...logged.map(({ log }) => log), ...consistentWith.map((wanted) => wanted.class)]);
    const logs: LogEvidence[] = [];
    for (const log of names) {
      const checkpoint = await this.newest(await this.classOf(log));
      const ofLog = logged.filter((event) => event.log === log);
      const sealed = ofLog.filter(({ seq }) => seq < (checkpoint?.size ?? 0));
      const unsealed = ofLog.find(({ seq }) => seq >= (checkpoint?.size ?? 0));
      if (unsealed && !skipUnsealed) throw notSealed(unsealed.id);
      if (!checkpoint) continue;
      const sizes = consistentWith.filter((wanted) => wanted.class === log).map(({ size }) => size);
      const beyond = sizes.find((size) => size > checkpoint.size);
      if (beyond !== undefined)
        throw AppError.field('/consistentWith', 'checkpoint_not_found', `The log ${log} was never signed with ${beyond} events.`);
      logs.push(await sound(() => this.ofLog(log, checkpoint, sealed, sizes)));
    }
    return logs;
  }

  private async ofLog(
    log: string,
    checkpoint: StoredCheckpoint,
    events: readonly LoggedEvent[],
    sizes: readonly number[],
  ): Promise<LogEvidence> {
    const read = await this.reader(checkpoint);
    const proven: ProvenEvent[] = [];
    for (const event of events) {
      const path = await inclusionPath(read, event.seq, checkpoint.size);
      const leaf = Buffer.from(leafHashHex(event.payload), 'hex');
      if (!includes(leaf, event.seq, checkpoint.size, path, checkpoint.root))
        throw new SealingRefused(`Event ${event.seq} of ${log} is not the one that was sealed.`);
      proven.push({ ...event, path });
    }
    const consistency: LogEvidence['consistency'] = [];
    for (const size of sizes) consistency.push({ size, path: await consistencyPath(read, size, checkpoint.size) });
    return { log, checkpoint, events: proven, consistency };
  }

  private async newest(ofClass: number): Promise<StoredCheckpoint | undefined> {
    return (await this.sealed.newestCheckpoints()).get(ofClass);
  }

  private async reader(checkpoint: StoredCheckpoint): Promise<NodeReader> {
    const tree: GrowingTree = await this.trees.at(checkpoint.class, checkpoint);
    return this.trees.reader(checkpoint.class, tree);
  }
}

/** What was asked for, without the page. */
function asked(filter: AuditFilter): object {
  return Object.fromEntries(Object.entries(filter).filter(([name]) => name !== 'limit' && name !== 'after'));
}

function notSealed(id: string): AppError {
  return AppError.conflict('event_not_sealed', `Event ${id} has not been sealed yet: that takes about a second.`, { eventId: id });
}

async function sound<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SealingRefused)) throw error;
    throw AppError.conflict('audit_log_unsound', `${error.message} Nothing can be proven before the log has been verified.`);
  }
}
