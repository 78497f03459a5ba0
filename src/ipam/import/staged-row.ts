import { type FileKind } from './import-files.js';

/** A row as the staging table takes it: what it means, or why it was refused. Members are columns of that table. */
export interface StagedRow {
  file: FileKind;
  line: number;
  /** What the row is about, as it was written. */
  value: string;
  code?: string;
  detail?: string;
  vrf?: string | null;
  name?: string;
  rd?: string | null;
  description?: string;
  kind?: 'container' | 'subnet';
  network?: string;
  gateway?: string | null;
  vlan?: number | null;
  site?: string | null;
  environment?: string | null;
  tags?: string[];
  active?: boolean;
  cooldown_seconds?: number;
  address?: string;
  last_address?: string;
  status?: 'allocated' | 'reserved' | 'blocked';
  hostname?: string | null;
  mac?: string | null;
  owner?: string | null;
  purpose?: string | null;
}

/** Why one row cannot go in; the others do. */
export class RowError extends Error {
  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}
