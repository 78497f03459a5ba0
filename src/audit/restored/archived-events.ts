import { Injectable } from '@nestjs/common';
import { ArchiveRepository } from '../archive/archive.repository.js';
import { parseManifest } from '../archive/manifest.js';

const HOUR_MS = 3_600_000;
const VERSION_7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i;

/** Where an event may be that the database does not have. */
@Injectable()
export class ArchivedEvents {
  constructor(private readonly archive: ArchiveRepository) {}

  /**
   * The archived months whose events happened around the time that the id carries (RFC 9562 §5.7). Whether one of them has it, only reading
   * them would tell; none has it when there are none.
   */
  async monthsOf(id: string): Promise<{ log: string; period: string }[]> {
    const made = timeOf(id);
    if (made === undefined) return [];
    const months: { log: string; period: string }[] = [];
    for (const month of await this.archive.archived()) {
      const signed = await this.archive.manifest(month);
      if (signed === undefined) continue;
      // A hint, for which a manifest need not be proven: whoever reads the month back has it proven.
      const occurredAt = parseManifest(signed)?.manifest.occurredAt;
      if (occurredAt && made >= Date.parse(occurredAt.first) - HOUR_MS && made <= Date.parse(occurredAt.last) + HOUR_MS)
        months.push({ log: month.log, period: month.period.slice(0, 7) });
    }
    return months;
  }
}

function timeOf(id: string): number | undefined {
  const found = VERSION_7.exec(id);
  return found ? parseInt(`${found[1] ?? ''}${found[2] ?? ''}`, 16) : undefined;
}
