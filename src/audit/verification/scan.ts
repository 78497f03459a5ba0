import { type ClientBase } from 'pg';
import { type WriterMac } from '../sealing/writer-mac.js';
import { COPIED_COLUMNS, copyRows } from './copied-row.js';
import { type PersonalCheck } from './personal-check.js';
import { LOGGED_ROW } from './projection.js';
import { RowChecker } from './row-checker.js';
import { type Scanned, type ScanOrder } from './scanned.js';
import { secondLook } from './second-look.js';

/** Reads a part of a log row by row and checks each by itself: hash, writer, columns, order. Memory is that of the hashes. */
export async function scan(client: ClientBase, order: ScanOrder, writers: WriterMac, personal: PersonalCheck): Promise<Scanned> {
  const checker = new RowChecker(order, writers, personal);
  await copyRows(client, rowsOf(order, COPIED_COLUMNS), (row) => {
    checker.take(row);
  });
  const { scanned, doubtful } = checker.end();
  if (doubtful.size > 0) await secondLook(client, rowsOf(order, LOGGED_ROW, doubtful), personal, scanned, doubtful);
  return scanned;
}

/** Text without parameters, which COPY and cursors do not take: it has numbers of ours, and instants as the database wrote them. */
function rowsOf({ class: ofClass, after, until }: ScanOrder, columns: string, only?: ReadonlySet<number>): string {
  return `SELECT ${columns} FROM audit_log l
      WHERE l.class = ${ofClass}::smallint AND l.sealed_at > '${after ?? '-infinity'}'::timestamptz
        AND l.sealed_at <= '${until ?? 'infinity'}'::timestamptz ${only ? `AND l.seq = ANY ('{${[...only].join(',')}}'::bigint[])` : ''}
      ORDER BY l.sealed_at, l.seq`;
}
