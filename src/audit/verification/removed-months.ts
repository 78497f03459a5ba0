import { hash } from 'node:crypto';
import { type Json } from '../../kernel/canonical-json.js';
import { archiveOrigin, parseManifest } from '../archive/manifest.js';
import { leafHashHex } from '../sealing/merkle.js';
import { type WriterMac } from '../sealing/writer-mac.js';
import { type LogSource, type PeriodRow } from './log-source.js';
import { type TrustedKeys } from './trusted-keys.js';

interface Said {
  gone: boolean;
  detail: Record<string, Json>;
}

/**
 * Months that are gone because it was said that they go: by events of the meta log that a writer of ours made and that are sealed, and for
 * archives by signed manifests. What the tables of months and archives say counts for nothing: who can drop a month can write there too.
 */
export class RemovedMonths {
  private constructor(
    private readonly said: ReadonlyMap<string, Said>,
    private readonly manifests: ReadonlyMap<string, string>,
    private readonly keys: TrustedKeys,
    private readonly installation: string,
  ) {}

  static async read(source: LogSource, keys: TrustedKeys, installation: string, writers: WriterMac): Promise<RemovedMonths> {
    const said = new Map<string, Said>();
    for (const { payload, mac } of await source.removals()) {
      if (!writers.made(mac, Buffer.from(leafHashHex(payload), 'hex'))) continue;
      const event = JSON.parse(payload) as { action: string; resource: { id: string }; detail: Record<string, Json> };
      // The last word counts: what was put back has to be there.
      said.set(event.resource.id, { gone: event.action !== 'audit.archive_undone', detail: event.detail });
    }
    return new RemovedMonths(said, await source.manifests(), keys, installation);
  }

  /** Why it should not be gone, as the end of a sentence; undefined when it was taken out by the rules. */
  faultOf(log: string, { period, firstSeq, lastSeq, root }: PeriodRow): string | undefined {
    const month = `${log}/${period}`;
    const said = this.said.get(month);
    if (!said?.gone) return 'nothing says that it was archived';
    const { detail } = said;
    if (detail.firstSeq !== firstSeq || detail.lastSeq !== lastSeq || detail.root !== root?.toString('base64'))
      return 'what was taken out was something else';
    if (detail.archived !== true) return undefined;
    const signed = this.manifests.get(month) ?? '';
    const parsed = parseManifest(signed);
    if (detail.manifest !== undefined && detail.manifest !== hash('sha256', signed, 'hex'))
      return 'its manifest is not the one it was archived with';
    if (!parsed || !this.keys.signedByAny(parsed.note, archiveOrigin(this.installation))) return 'no key of this log signed its manifest';
    const { manifest } = parsed;
    const same = manifest.log === log && manifest.period === period && manifest.firstSeq === firstSeq && manifest.lastSeq === lastSeq;
    return same && manifest.root === detail.root ? undefined : 'its manifest is about something else';
  }
}
