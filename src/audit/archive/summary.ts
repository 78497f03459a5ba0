import { BloomFilter } from './bloom-filter.js';
import { type CopiedRow } from './copied-rows.js';
import { type ArchiveManifest } from './manifest.js';

type Told = Pick<ArchiveManifest, 'occurredAt' | 'sealedAt' | 'epochs' | 'resourceTypes' | 'severities' | 'filters' | 'rows' | 'bytes'>;

/** What a manifest says of its events, so that whoever searches knows which archives to read. */
export class ArchiveSummary {
  private rows = 0;
  private bytes = 0;
  private occurred: { first: string; last: string } | undefined;
  private sealed: { first: string; last: string } | undefined;
  private readonly epochs = new Set<number>();
  private readonly resourceTypes = new Map<string, number>();
  private readonly severities = new Map<string, number>();
  private readonly actor: BloomFilter;
  private readonly resource: BloomFilter;
  private readonly correlation: BloomFilter;
  private readonly seen = new Map<BloomFilter, string>();

  constructor(expected: number) {
    this.actor = new BloomFilter(expected);
    this.resource = new BloomFilter(expected);
    this.correlation = new BloomFilter(expected);
  }

  add(row: CopiedRow): void {
    this.rows++;
    this.bytes += Buffer.byteLength(row.payload);
    this.occurred = stretched(this.occurred, row.occurredAt);
    this.sealed = stretched(this.sealed, row.sealedAt);
    this.epochs.add(row.epoch);
    if (row.resourceType !== null) this.resourceTypes.set(row.resourceType, (this.resourceTypes.get(row.resourceType) ?? 0) + 1);
    this.severities.set(row.severity, (this.severities.get(row.severity) ?? 0) + 1);
    this.keep(this.actor, row.actor);
    this.keep(this.resource, row.resource);
    this.keep(this.correlation, row.correlation);
  }

  told(): Told {
    const none = { first: '', last: '' };
    return {
      rows: this.rows,
      bytes: this.bytes,
      occurredAt: this.occurred ?? none,
      sealedAt: this.sealed ?? none,
      epochs: [...this.epochs].sort((a, b) => a - b),
      resourceTypes: Object.fromEntries(this.resourceTypes),
      severities: Object.fromEntries(this.severities),
      filters: { actor: this.actor.toString(), resource: this.resource.toString(), correlation: this.correlation.toString() },
    };
  }

  private keep(filter: BloomFilter, value: string | null): void {
    // Events of one act lie behind each other.
    if (value === null || this.seen.get(filter) === value) return;
    this.seen.set(filter, value);
    filter.add(value);
  }
}

function stretched(known: { first: string; last: string } | undefined, at: string): { first: string; last: string } {
  if (!known) return { first: at, last: at };
  return { first: at < known.first ? at : known.first, last: at > known.last ? at : known.last };
}
