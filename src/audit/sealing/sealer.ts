import { Injectable } from '@nestjs/common';
import { KeyStore, type SigningKey } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Log } from '../../platform/logging/log.js';
import { AuditTrail } from '../trail/audit-trail.js';
import { Anchoring } from './anchoring.js';
import { checkpointText, originOf } from './checkpoint.js';
import { type GrowingTree, slice, type Tile } from './growing-tree.js';
import { LogTrees, SealingRefused } from './log-trees.js';
import { rangeRoot } from './merkle.js';
import { SEALER } from './sealer-actor.js';
import { type Batch, type Head, SealingRepository, type StoredCheckpoint } from './sealing.repository.js';
import { SealingSettings } from './sealing-settings.js';
import { signNote } from './signed-note.js';
import { SigningKeys } from './signing-keys.js';
import { WriterMac } from './writer-mac.js';

/** The state of one turn. */
interface Turn {
  installation: string;
  key: SigningKey;
  last: Map<number, StoredCheckpoint>;
  heads: Map<number, Head>;
  trees: Map<number, GrowingTree>;
}

const QUARANTINE_NAMED = 100;
const META = 0;

/**
 * Moves events from the inbox to the log and seals them, in one transaction: a Merkle tree grows over each class's log, and a signed
 * checkpoint says its size and root. One sealer at a time, over all processes: whoever gets the rows of audit_heads.
 */
@Injectable()
export class Sealer {
  private readonly writers: WriterMac;
  private readonly said = new Map<number, string>();

  constructor(
    keys: KeyStore,
    private readonly work: UnitOfWork,
    private readonly stored: SealingRepository,
    private readonly trees: LogTrees,
    private readonly signing: SigningKeys,
    private readonly trail: AuditTrail,
    private readonly anchoring: Anchoring,
    private readonly settings: SealingSettings,
    private readonly log: Log,
  ) {
    this.writers = new WriterMac(keys.auditWriters);
  }

  /** Seals one batch and returns how many events it had; 0 when nothing is due or another process is at it. Throws SealingRefused. */
  async turn(): Promise<number> {
    if (!(await this.stored.isDue(this.settings.heartbeatSeconds))) return 0;
    return this.work.run(() => this.seal());
  }

  /** Signs with this process's key from now on, although the one before it is lost and cannot vouch for it. */
  async adoptKey(): Promise<void> {
    await this.work.run(() => this.seal(true));
  }

  private async seal(adopt = false): Promise<number> {
    const heads = await this.stored.begin(this.settings.heartbeatSeconds);
    if (heads.length === 0) return 0;
    const installation = await this.stored.installation();
    const last = await this.stored.newestCheckpoints();
    const key = await this.signing.current(installation, new Map(heads.map((h) => [h.name, last.get(h.class)])), adopt);
    const turn: Turn = { installation, key, last, heads: new Map(heads.map((h) => [h.class, h])), trees: new Map() };
    const caughtUp = await this.catchUp(turn);
    if (caughtUp > 0) return caughtUp;
    if (heads.some((head) => head.epochBegan)) await this.sayEpoch(heads);
    const batches = await this.stored.file(this.settings.batch);
    for (const batch of batches) await this.guarded(batch.class, () => this.add(turn, batch));
    if (heads.some((head) => head.heartbeat)) await this.beat(turn, new Set(batches.map((batch) => batch.class)));
    await this.closeMonths(turn);
    return batches.reduce((sum, { events }) => sum + events, 0);
  }

  /** Events that lie in the log unsealed: filed before there was a sealer, or while it refused. */
  private async catchUp(turn: Turn): Promise<number> {
    let events = 0;
    for (const head of turn.heads.values())
      await this.guarded(head.class, async () => {
        const from = turn.last.get(head.class);
        if ((from?.size ?? 0) >= head.size) return;
        const batch = await this.stored.unsealed(head.class, from?.size ?? 0, from?.at);
        if (!batch) throw new SealingRefused(`The log of class ${head.class} has a gap behind its last checkpoint.`);
        await this.add(turn, batch);
        events += batch.events;
      });
    return events;
  }

  private async add(turn: Turn, batch: Batch): Promise<void> {
    const tree = turn.trees.get(batch.class) ?? (await this.trees.at(batch.class, turn.last.get(batch.class)));
    if (tree.size !== batch.firstSeq) throw new SealingRefused(`Class ${batch.class} is sealed up to ${tree.size}, not ${batch.firstSeq}.`);
    const tiles: Tile[] = [];
    const suspects: { seq: number; reason: string }[] = [];
    for (let i = 0; i < batch.events; i++) {
      const leaf = slice(batch.hashes, i, 1);
      if (!slice(batch.leaves, i, 1).equals(leaf)) suspects.push({ seq: batch.firstSeq + i, reason: 'leaf' });
      else if (!this.writers.made(slice(batch.macs, i, 1), leaf)) suspects.push({ seq: batch.firstSeq + i, reason: 'writer' });
      tiles.push(...tree.push(leaf));
    }
    await this.stored.addTiles(batch.class, tiles);
    turn.trees.set(batch.class, tree);
    if (suspects.length > 0) await this.quarantine(turn, batch, suspects);
    await this.sign(turn, batch.class, tree, batch.sealedAt);
  }

  /** Says size and root, signed; the database refuses a checkpoint that shrinks the log. */
  private async sign(turn: Turn, ofClass: number, tree: GrowingTree, at: string): Promise<void> {
    const head = turn.heads.get(ofClass);
    const previous = turn.last.get(ofClass);
    if (!head) throw new Error(`There is no class ${ofClass}.`);
    const number = previous ? previous.number + 1 : 0;
    if (tree.size < (previous?.size ?? 0)) throw new SealingRefused(`The log of class ${ofClass} would shrink.`);
    const origin = originOf(turn.installation, head.name);
    const text = checkpointText({ origin, size: tree.size, root: tree.root, number, epoch: head.epoch, time: at });
    const checkpoint = {
      class: ofClass,
      number,
      size: tree.size,
      root: tree.root,
      at,
      epoch: head.epoch,
      note: signNote(text, origin, [turn.key]),
    };
    await this.stored.addCheckpoint(checkpoint);
    turn.last.set(ofClass, checkpoint);
    this.work.afterCommit(() => {
      this.trees.keep(ofClass, tree);
      this.anchoring.wake();
    });
  }

  /** The meta log says what all of them say: whoever cuts one must cut that one too. Now and then an idle log says itself that it is alive. */
  private async beat(turn: Turn, busy: ReadonlySet<number>): Promise<void> {
    for (const head of turn.heads.values())
      if (!busy.has(head.class) && this.isDue(head, turn.last.get(head.class)))
        await this.guarded(head.class, async () => {
          await this.sign(turn, head.class, await this.trees.at(head.class, turn.last.get(head.class)), head.at);
        });
    const heads = [...turn.last.values()].map(({ class: c, number, size, root, at }) => [
      turn.heads.get(c)?.name,
      { number, size, root: root.toString('base64'), time: at },
    ]);
    await this.trail.record({
      action: 'audit.checkpointed',
      category: 'meta',
      actor: SEALER,
      resource: { type: 'audit_log', id: turn.installation },
      detail: { heads: Object.fromEntries(heads) as Record<string, unknown> },
    });
  }

  private isDue(head: Head, last: StoredCheckpoint | undefined): boolean {
    // One that is behind must not say that nothing happened.
    if ((last?.size ?? 0) !== head.size) return false;
    if (!last || head.epochBegan || head.idleSeconds === null) return true;
    // The meta log gets an event instead.
    return head.class !== META && (head.idleSeconds >= this.settings.idleSeconds || head.idleSeconds < 0);
  }

  private async closeMonths(turn: Turn): Promise<void> {
    for (const period of await this.stored.overdueClosings()) {
      await this.guarded(period.class, async () => {
        const tree = turn.trees.get(period.class) ?? (await this.trees.at(period.class, turn.last.get(period.class)));
        if (tree.size <= period.lastSeq) return;
        const root = await rangeRoot(this.trees.reader(period.class, tree), 0, period.lastSeq + 1);
        await this.stored.closePeriod(period, root);
        const { name, firstSeq, lastSeq, rows, bytes } = period;
        await this.trail.record({
          action: 'audit.period_closed',
          category: 'meta',
          actor: SEALER,
          resource: { type: 'audit_period', id: `${name}/${period.period}` },
          detail: { firstSeq, lastSeq, rows, bytes, root: root.toString('base64') },
        });
      });
    }
  }

  private async sayEpoch(heads: readonly Head[]): Promise<void> {
    await this.trail.record({
      action: 'audit.epoch_changed',
      category: 'meta',
      severity: 'high',
      actor: SEALER,
      resource: { type: 'audit_log', id: await this.stored.installation() },
      detail: { epoch: heads[0]?.epoch, sizes: Object.fromEntries(heads.map(({ name, size }) => [name, size])) },
    });
  }

  /** What was changed or forged before it was sealed is sealed as it stands, marked, and said. */
  private async quarantine(
    turn: Turn,
    { class: ofClass, sealedAt }: Batch,
    suspects: readonly { seq: number; reason: string }[],
  ): Promise<void> {
    const seqs = suspects.map(({ seq }) => seq);
    const ids = await this.stored.idsOf(ofClass, turn.last.get(ofClass)?.at, sealedAt, seqs);
    const rows = suspects.map(({ seq, reason }) => ({ seq, reason, id: ids.get(seq) ?? '' }));
    await this.stored.quarantine(ofClass, rows);
    const name = turn.heads.get(ofClass)?.name;
    this.log.error('audit events were altered or forged before they were sealed', { class: name, events: rows.length });
    await this.trail.record({
      action: 'audit.quarantined',
      category: 'meta',
      severity: 'critical',
      outcome: 'failure',
      actor: SEALER,
      resource: { type: 'audit_log', id: turn.installation },
      detail: { class: name, count: rows.length, events: rows.slice(0, QUARANTINE_NAMED) },
    });
  }

  /** One log that cannot be sealed keeps neither its own events from being filed nor the others from being sealed. */
  private async guarded(ofClass: number, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.said.delete(ofClass);
    } catch (error) {
      if (!(error instanceof SealingRefused)) throw error;
      if (this.said.get(ofClass) !== error.message) this.log.error('an audit log cannot be sealed', { error });
      this.said.set(ofClass, error.message);
    }
  }
}
