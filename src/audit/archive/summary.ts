import { BloomFilter } from './bloom-filter.js';
import { COLUMN, type CopiedRows } from './copied-rows.js';
import { InstantText } from './instant-text.js';
import { type ArchiveManifest } from './manifest.js';

type Told = Pick<ArchiveManifest, 'occurredAt' | 'sealedAt' | 'epochs' | 'resourceTypes' | 'severities' | 'filters' | 'rows' | 'bytes'>;

/** What a manifest says of its events, so that whoever searches knows which archives to read. */
export class ArchiveSummary {
  private rows = 0;
  private bytes = 0;
  private readonly occurred = new Span(COLUMN.occurredAt);
  private readonly sealed = new Span(COLUMN.sealedAt);
  private readonly epochs = new Set<number>();
  private readonly resourceTypes = new Map<string, number>();
  private readonly severities = new Map<string, number>();
  private readonly actor: BloomFilter;
  private readonly resource: BloomFilter;
  private readonly correlation: BloomFilter;

  constructor(expected: number) {
    this.actor = new BloomFilter(expected);
    this.resource = new BloomFilter(expected);
    this.correlation = new BloomFilter(expected);
  }

  add(row: CopiedRows): void {
    this.rows++;
    this.bytes += row.end(COLUMN.payload) - row.start(COLUMN.payload);
    this.occurred.add(row);
    this.sealed.add(row);
    this.epochs.add(row.integer(COLUMN.epoch));
    count(this.resourceTypes, row.text(COLUMN.resourceType));
    count(this.severities, row.text(COLUMN.severity));
    keep(this.actor, row, COLUMN.actor);
    keep(this.resource, row, COLUMN.resource);
    keep(this.correlation, row, COLUMN.correlation);
  }

  told(): Told {
    return {
      rows: this.rows,
      bytes: this.bytes,
      occurredAt: this.occurred.told(),
      sealedAt: this.sealed.told(),
      epochs: [...this.epochs].sort((a, b) => a - b),
      resourceTypes: Object.fromEntries(this.resourceTypes),
      severities: Object.fromEntries(this.severities),
      filters: { actor: this.actor.toString(), resource: this.resource.toString(), correlation: this.correlation.toString() },
    };
  }
}

/** From the earliest instant to the latest. */
class Span {
  private first = Number.NaN;
  private last = Number.NaN;

  constructor(private readonly column: number) {}

  add(row: CopiedRows): void {
    const at = row.integer(this.column);
    if (!(at >= this.first)) this.first = at;
    if (!(at <= this.last)) this.last = at;
  }

  /** Empty where there is none, or none that can be written: whoever searches then reads the archive. */
  told(): { first: string; last: string } {
    const text = new InstantText();
    return { first: text.of(this.first), last: text.of(this.last) };
  }
}

function count(counts: Map<string, number>, value: string | undefined): void {
  if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
}

function keep(filter: BloomFilter, row: CopiedRows, column: number): void {
  const end = row.end(column);
  if (end >= 0) filter.add(row.bytes, row.start(column), end);
}
