import { type ClientBase } from 'pg';

/**
 * Begins a transaction in which everything stands still, the same for all who are given its name; values come in the form the scans expect. No
 * month is taken out of the log before it ends: tables come and go whatever the snapshot. Waits for one that is being taken out.
 */
export async function beginSnapshot(client: ClientBase, name?: string): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  if (name === undefined) await client.query('LOCK TABLE audit_detaching IN ROW SHARE MODE');
  else await client.query(`SET TRANSACTION SNAPSHOT '${name}'`);
  await client.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'`);
}

export async function exportSnapshot(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT pg_export_snapshot() AS name');
  return rows[0]?.name ?? '';
}
