import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { KeyStore } from '../../platform/crypto/key-store.js';
import { type PeriodFate } from '../retention/period-fates.js';
import { LogTrees, SealingRefused } from '../sealing/log-trees.js';
import { SealingRepository } from '../sealing/sealing.repository.js';
import { type Month } from './archive.repository.js';
import { type Exported } from './exporter.js';
import { ARCHIVE_FORMAT, signManifest } from './manifest.js';

const TOOL = 'cadastre 1';

/** Says and signs what an archive is. */
@Injectable()
export class ManifestMaker {
  constructor(
    private readonly keys: KeyStore,
    private readonly sealing: SealingRepository,
    private readonly trees: LogTrees,
    private readonly clock: Clock,
  ) {}

  installation(): Promise<string> {
    return this.sealing.installation();
  }

  /** The same for the same events, whoever asks and when: whoever archives twice meets what is there. */
  keyOf({ log, period, firstSeq, lastSeq, root }: Month, installation: string): string {
    return `audit/${installation}/${log}/${period.slice(0, 7)}/${firstSeq}-${lastSeq}.${root.toString('hex').slice(0, 8)}.jsonl.zst`;
  }

  /** Throws SealingRefused when no signed checkpoint vouches for the month's root. */
  async make(month: Month, fate: PeriodFate | undefined, key: string, exported: Exported): Promise<string> {
    const [signer] = this.keys.auditSigners;
    if (!signer) throw new Error('The key ring is empty.');
    const checkpoint = await this.sealing.checkpointHolding(month.class, month.lastSeq + 1);
    if (!checkpoint) throw new SealingRefused(`No checkpoint holds the month ${month.period} of ${month.log}.`);
    const consistency = await this.trees.consistency(month.class, month.lastSeq + 1, checkpoint);
    return signManifest(
      {
        format: ARCHIVE_FORMAT,
        installation: await this.installation(),
        ...{ log: month.log, period: month.period, firstSeq: month.firstSeq, lastSeq: month.lastSeq },
        root: month.root.toString('base64'),
        checkpoint: checkpoint.note,
        consistency: consistency.map((hash) => hash.toString('base64')),
        ...exported.summary,
        object: { key, bytes: exported.bytes, sha256: exported.sha256 },
        frames: exported.frames,
        policies: fate?.policies ?? [],
        retentionUntil: fate?.deleteAt?.toISOString() ?? null,
        createdAt: this.clock.now().toISOString(),
        toolVersion: TOOL,
      },
      signer,
    );
  }
}
