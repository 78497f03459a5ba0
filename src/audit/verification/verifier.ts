import { Injectable } from '@nestjs/common';
import { type ClientBase } from 'pg';
import { AppConfig } from '../../config/app-config.js';
import { AppError } from '../../kernel/app-error.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { WriterMac } from '../sealing/writer-mac.js';
import { destroyedUnsaid } from './personal-check.js';
import { AnchoredElsewhere, AnchoredNotes, type FoundNote, notesBelow } from './anchored-notes.js';
import { type Finding, type Verdict, verdictOf } from './finding.js';
import { LogCheckpoints } from './log-checkpoints.js';
import { type LogHead, LogSource } from './log-source.js';
import { LogVerifier, type LogReport } from './log-verifier.js';
import { RemovedMonths } from './removed-months.js';
import { LocalScanner, type Scanner, ThreadScanner } from './scanner.js';
import { beginSnapshot, exportSnapshot } from './snapshot.js';
import { TrustedKeys } from './trusted-keys.js';

export interface VerificationOptions {
  /** The name of a class; all when absent. */
  log?: string;
  /** Rows sealed before or after are taken from the tiles, whose roots are signed. */
  from?: Date;
  to?: Date;
  /** Threads that read; 1 reads in this one. */
  workers?: number;
  /** Folder of anchored checkpoints; the configured one when absent. With null no anchors are read, wherever they are. */
  anchors?: string | null;
  /** Public keys that are trusted besides our own. */
  keys?: readonly Buffer[];
}

export interface VerificationReport {
  result: Verdict;
  logs: LogReport[];
  /** Anchored checkpoints that were compared. */
  anchors: number;
  /** By log and event; the first is the first bad record. */
  findings: Finding[];
  /** How many there were, when not all are listed. */
  findingCount: number;
  ms: number;
}

const LISTED = 100;

/** Reads the whole audit log again and compares it with everything that was ever signed about it. Changes nothing. */
@Injectable()
export class Verifier {
  constructor(
    private readonly config: AppConfig,
    private readonly keys: KeyStore,
    private readonly work: UnitOfWork,
    private readonly elsewhere: AnchoredElsewhere,
  ) {}

  /** Throws `audit_log_not_found` for a class that there is not. */
  async verify(options: VerificationOptions = {}): Promise<VerificationReport> {
    if (this.work.isOpen) throw new Error('A verification has a snapshot of its own: call it outside of a unit of work.');
    return this.work.withClient(async (client) => {
      // Before the snapshot: what is anchored was committed, so it is in every snapshot that is taken afterwards.
      const anchors = await this.readAnchors(new LogSource(client), options);
      await beginSnapshot(client);
      const report = await this.reportOn(client, anchors, options);
      await client.query('ROLLBACK');
      return report;
    });
  }

  /**
   * The same, as the client's open transaction sees it, which `beginSnapshot` began or which has its settings. What was sealed and anchored
   * since it began counts as missing.
   */
  async verifyOn(client: ClientBase, options: VerificationOptions = {}): Promise<VerificationReport> {
    return this.reportOn(client, await this.readAnchors(new LogSource(client), options), options);
  }

  private async reportOn(client: ClientBase, anchors: AnchoredNotes, options: VerificationOptions): Promise<VerificationReport> {
    const scanner = await this.scanner(client, options.workers ?? 1);
    try {
      return await this.run(new LogSource(client), scanner, anchors, options);
    } finally {
      await scanner.close();
    }
  }

  private async readAnchors(source: LogSource, options: VerificationOptions): Promise<AnchoredNotes> {
    const installation = await source.installation();
    const anchors = new AnchoredNotes(installation);
    await anchors.take(this.anchored(options, installation, await source.heads()), await this.trusted(source, options));
    return anchors;
  }

  private async trusted(source: LogSource, { keys = [] }: VerificationOptions): Promise<TrustedKeys> {
    const own = this.keys.auditSigners.map(({ publicKey }) => publicKey);
    return new TrustedKeys(await source.installation(), await source.keys(), [...own, ...keys]);
  }

  private async run(
    source: LogSource,
    scanner: Scanner,
    anchors: AnchoredNotes,
    options: VerificationOptions,
  ): Promise<VerificationReport> {
    const began = performance.now();
    const installation = await source.installation();
    const keys = await this.trusted(source, options);
    const heads = await source.heads();
    if (options.log !== undefined && !heads.some(({ name }) => name === options.log)) throw AppError.notFound('audit_log', options.log);
    const findings = [...keys.findings, ...anchors.faults(keys)];
    const removed = await RemovedMonths.read(source, keys, installation, new WriterMac(this.keys.auditWriters));
    const logs: LogReport[] = [];
    let said: LogVerifier['heads'];
    // The meta log comes first: it knows the others.
    for (const head of heads.filter(({ name }) => options.log === undefined || name === options.log)) {
      const ofLog = anchors.byLog.get(head.name) ?? new Map<number, never[]>();
      const checkpoints = new LogCheckpoints(source, keys, installation, head, ofLog, said?.[head.name], findings);
      const range = await rangeOf(source, head, options);
      const verifier = new LogVerifier(source, scanner, head, checkpoints, await source.periods(head), removed, range, findings);
      logs.push(await verifier.run());
      if (head.class === 0) said = verifier.heads;
    }
    findings.push(...(await destroyedUnsaid(source.client)));
    const sorted = sortFindings(findings, heads);
    return {
      result: verdictOf(sorted),
      logs,
      anchors: anchors.read,
      findings: sorted.slice(0, LISTED),
      findingCount: sorted.length,
      ms: Math.round(performance.now() - began),
    };
  }

  private async *anchored({ anchors }: VerificationOptions, installation: string, heads: readonly LogHead[]): AsyncGenerator<FoundNote> {
    if (anchors === null) return;
    yield* notesBelow(anchors ?? this.config.audit.anchorDirectory);
    yield* this.elsewhere.newest(
      installation,
      heads.map(({ name }) => name),
    );
  }

  private async scanner(client: ClientBase, workers: number): Promise<Scanner> {
    const { auditWriters } = this.keys;
    const { url } = this.config.database;
    if (workers <= 1 || url === undefined) return new LocalScanner(client, new WriterMac(auditWriters));
    return new ThreadScanner(workers, { url, snapshot: await exportSnapshot(client), writers: [...auditWriters] });
  }
}

async function rangeOf(
  source: LogSource,
  { class: ofClass }: LogHead,
  { from, to }: VerificationOptions,
): Promise<{ from: number; to: number }> {
  return {
    from: from ? ((await source.sizeAt(ofClass, from, 'before')) ?? 0) : 0,
    to: to ? ((await source.sizeAt(ofClass, to, 'after')) ?? Infinity) : Infinity,
  };
}

/** By log, then by event; what concerns no event comes behind. Said once each. */
function sortFindings(findings: readonly Finding[], heads: readonly LogHead[]): Finding[] {
  const place = new Map(heads.map(({ name, class: ofClass }) => [name, ofClass]));
  const unique = new Map(findings.map((finding) => [`${finding.code} ${finding.detail}`, finding]));
  return [...unique.values()].sort(
    (a, b) => (place.get(a.log) ?? -1) - (place.get(b.log) ?? -1) || (a.seq ?? Infinity) - (b.seq ?? Infinity) || 0,
  );
}
