import { type MigrationInterface, type QueryRunner } from 'typeorm';

const FORGET = 'audit_forget_names(uuid[], smallint, date, int)';

/** What an erasure empties: before, of months in the log alone; now also of those beside it. */
const FORGETS: readonly (readonly [string, string])[] = [
  [`emptied int;`, `emptied int;\n        more int;\n        place text;`],
  [
    `UPDATE audit_log l SET client_ip = NULL, names = NULL, salt = NULL
         WHERE l.class = of_class AND l.sealed_at >= of_period::timestamp AT TIME ZONE 'UTC'
           AND l.sealed_at < (of_period + interval '1 month') AT TIME ZONE 'UTC'
           AND l.seq = ANY (ARRAY (
             SELECT e.seq FROM audit_log e
              WHERE e.class = of_class AND e.sealed_at >= of_period::timestamp AT TIME ZONE 'UTC'
                AND e.sealed_at < (of_period + interval '1 month') AT TIME ZONE 'UTC'
                AND audit_words(e.payload, e.names) @@ wanted AND e.salt IS NOT NULL
              LIMIT most));
        GET DIAGNOSTICS emptied = ROW_COUNT;`,
    `PERFORM audit_lock_restored(of_class, of_period);
        UPDATE audit_restored r SET client_ip = NULL, names = NULL
         WHERE r.class = of_class AND r.period = of_period
           AND r.seq = ANY (ARRAY (
             SELECT e.seq FROM audit_restored e
              WHERE e.class = of_class AND e.period = of_period
                AND audit_words(e.payload, e.names) @@ wanted AND (e.client_ip IS NOT NULL OR e.names IS NOT NULL)
              LIMIT most));
        GET DIAGNOSTICS emptied = ROW_COUNT;
        -- Its table, wherever it is; when it is being moved, the name is not found, and whoever asked asks again.
        place := audit_partition_place(of_class, of_period);
        IF place <> 'gone' AND emptied < most THEN
          EXECUTE format('UPDATE %1$I.%2$I l SET client_ip = NULL, names = NULL, salt = NULL
                           WHERE l.ctid = ANY (ARRAY (
                             SELECT e.ctid FROM %1$I.%2$I e WHERE audit_words(e.payload, e.names) @@ $1 AND e.salt IS NOT NULL LIMIT $2))',
                         CASE place WHEN 'trash' THEN 'audit_trash' ELSE 'public' END, audit_partition(of_class, of_period))
            USING wanted, most - emptied;
          GET DIAGNOSTICS more = ROW_COUNT;
          emptied := emptied + more;
        END IF;`,
  ],
];

/** Archived months that are back for a while, beside the log, and an erasure that reaches every copy of a month which the database has. */
export class RestoreAudit1793000000790 implements MigrationInterface {
  name = 'RestoreAudit1793000000790';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE audit_rehydration (
        class smallint NOT NULL,
        period date NOT NULL,
        state text NOT NULL DEFAULT 'loading' CONSTRAINT audit_rehydration_state CHECK (state IN ('loading', 'ready', 'failed')),
        expires_at timestamptz NOT NULL,
        rows bigint,
        error text,
        requested_by text NOT NULL,
        requested_at timestamptz NOT NULL DEFAULT audit_clock(),
        CONSTRAINT audit_rehydration_key PRIMARY KEY (class, period),
        CONSTRAINT audit_rehydration_period FOREIGN KEY (class, period) REFERENCES audit_period (class, period),
        CONSTRAINT audit_rehydration_ready CHECK ((state = 'ready') = (rows IS NOT NULL)),
        CONSTRAINT audit_rehydration_failed CHECK ((state = 'failed') = (error IS NOT NULL))
      )`);
    // A copy that may go at any time. Whoever reads it compares what it shows with the hashes that the log sealed.
    await q.query(`
      CREATE TABLE audit_restored (
        class smallint NOT NULL,
        period date NOT NULL,
        seq bigint NOT NULL,
        sealed_at timestamptz NOT NULL,
        occurred_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        id uuid NOT NULL,
        xid xid8 NOT NULL,
        cluster_epoch int NOT NULL,
        actor_id text,
        action text NOT NULL,
        category text NOT NULL,
        severity text NOT NULL,
        outcome text NOT NULL,
        resource_type text,
        resource_id text,
        client_ip inet,
        correlation_id text,
        flags text[] NOT NULL,
        payload text NOT NULL,
        leaf bytea NOT NULL,
        emit_mac bytea NOT NULL,
        names text,
        CONSTRAINT audit_restored_key PRIMARY KEY (class, period, seq)
      )`);
    // By id, for proofs; and a month newest first, whole or by what is asked for most.
    await q.query('CREATE INDEX audit_restored_id ON audit_restored (id)');
    await q.query('CREATE INDEX audit_restored_newest ON audit_restored (class, period, id DESC)');
    await q.query('CREATE INDEX audit_restored_actor ON audit_restored (actor_id, id DESC)');
    await q.query('CREATE INDEX audit_restored_resource ON audit_restored (resource_type, resource_id, id DESC)');
    await q.query('CREATE INDEX audit_restored_correlation ON audit_restored (correlation_id)');
    await q.query('CREATE INDEX audit_restored_action ON audit_restored (action, id DESC)');
    // By words and names; and what an erasure looks for.
    await q.query('CREATE INDEX audit_restored_words ON audit_restored USING gin (audit_words(payload, names))');

    // Who reads a month back, who takes it away and who erases in it wait for each other.
    await q.query(`
      CREATE FUNCTION audit_lock_restored(of_class smallint, of_period date) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS $$
        SELECT pg_advisory_xact_lock(hashtextextended(format('cadastre audit restored %s/%s', of_class, of_period), 0))
      $$`);
    // For whoever has just read a month back, with keys that may have been destroyed meanwhile: a process may know a key for some seconds longer.
    await q.query(`
      CREATE FUNCTION audit_forget_restored(of_class smallint, of_period date) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      DECLARE
        wanted CONSTANT tsquery := (SELECT string_agg('''' || chr(1) || 'key:' || k.kid || '''', ' | ')::tsquery FROM audit_subject_key k
                                     WHERE k.destroyed_at >= audit_clock() - interval '1 day');
      BEGIN
        IF wanted IS NOT NULL THEN
          UPDATE audit_restored r SET client_ip = NULL, names = NULL
           WHERE r.class = of_class AND r.period = of_period AND audit_words(r.payload, r.names) @@ wanted
             AND (r.client_ip IS NOT NULL OR r.names IS NOT NULL);
        END IF;
      END $$`);
    await q.query('REVOKE ALL ON FUNCTION audit_forget_restored(smallint, date) FROM PUBLIC');
    await rewrite(q, FORGETS);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_rehydration, audit_restored FROM cadastre_app;
          GRANT SELECT, INSERT, UPDATE, DELETE ON audit_rehydration TO cadastre_app;
          GRANT SELECT, INSERT, DELETE ON audit_restored TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_forget_restored(smallint, date) TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await rewrite(
      q,
      FORGETS.map(([now, then]) => [then, now] as const),
    );
    await q.query('DROP FUNCTION audit_forget_restored(smallint, date)');
    await q.query('DROP FUNCTION audit_lock_restored(smallint, date)');
    await q.query('DROP TABLE audit_restored, audit_rehydration');
  }
}

/** The function as it is, with other text in some places. */
async function rewrite(q: QueryRunner, changes: readonly (readonly [string, string])[]): Promise<void> {
  const [row] = (await q.query('SELECT pg_get_functiondef($1::regprocedure) AS source', [FORGET])) as { source: string }[];
  let source = row?.source ?? '';
  for (const [from, to] of changes) {
    if (source.split(from).length !== 2) throw new Error(`${FORGET} does not say once: ${from}`);
    source = source.replace(from, () => to);
  }
  await q.query(source);
}
