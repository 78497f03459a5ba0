import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { FILE_EVENTS } from './1793000000100-create-audit.js';

const INSERT_ONLY = ['audit_installation', 'audit_epoch', 'audit_key', 'audit_tile', 'audit_checkpoint', 'audit_quarantine'];

/**
 * What seals the log: a Merkle tree per retention class, kept as full tiles, and signed checkpoints of it. All of it can only grow. The
 * trail so far gets its periods here, which reads all of it once; it is sealed by the first start.
 */
export class SealAudit1793000000700 implements MigrationInterface {
  name = 'SealAudit1793000000700';

  async up(q: QueryRunner): Promise<void> {
    // Names the logs of this installation, so that a checkpoint of another one proves nothing about it.
    await q.query(`
      CREATE TABLE audit_installation (
        one boolean PRIMARY KEY DEFAULT true CONSTRAINT audit_installation_one CHECK (one),
        id uuid NOT NULL DEFAULT gen_random_uuid()
      )`);
    await q.query('INSERT INTO audit_installation DEFAULT VALUES');
    // The database clusters the log has lived in: transaction numbers of one mean nothing in the next.
    await q.query(`
      CREATE TABLE audit_epoch (
        epoch int PRIMARY KEY,
        system_identifier bigint NOT NULL,
        timeline int NOT NULL,
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        sizes jsonb NOT NULL
      )`);
    await q.query(`
      CREATE TABLE audit_key (
        ordinal int PRIMARY KEY,
        public_key bytea NOT NULL CONSTRAINT audit_key_unique UNIQUE CONSTRAINT audit_key_size CHECK (octet_length(public_key) = 32),
        since timestamptz NOT NULL DEFAULT clock_timestamp(),
        note text NOT NULL
      )`);
    await q.query(`
      CREATE TABLE audit_tile (
        class smallint NOT NULL CONSTRAINT audit_tile_class REFERENCES audit_heads (class),
        level smallint NOT NULL,
        n bigint NOT NULL,
        hashes bytea NOT NULL CONSTRAINT audit_tile_full CHECK (octet_length(hashes) = 8192),
        CONSTRAINT audit_tile_key PRIMARY KEY (class, level, n)
      )`);
    // Hashes do not compress.
    await q.query('ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL');
    await q.query(`
      CREATE TABLE audit_checkpoint (
        class smallint NOT NULL CONSTRAINT audit_checkpoint_class REFERENCES audit_heads (class),
        number bigint NOT NULL,
        size bigint NOT NULL,
        root bytea NOT NULL CONSTRAINT audit_checkpoint_root_size CHECK (octet_length(root) = 32),
        at timestamptz NOT NULL,
        epoch int NOT NULL,
        note text NOT NULL,
        CONSTRAINT audit_checkpoint_key PRIMARY KEY (class, number)
      )`);
    // Where in time a part of the log lies.
    await q.query('CREATE INDEX audit_checkpoint_size ON audit_checkpoint (class, size, number)');
    await q.query(`
      CREATE TABLE audit_quarantine (
        class smallint NOT NULL,
        seq bigint NOT NULL,
        id uuid NOT NULL,
        reason text NOT NULL CONSTRAINT audit_quarantine_reason CHECK (reason IN ('leaf', 'writer')),
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT audit_quarantine_key PRIMARY KEY (class, seq)
      )`);
    // Which of the events on a page are under quarantine.
    await q.query('CREATE INDEX audit_quarantine_event ON audit_quarantine (id)');
    await q.query(`
      CREATE TABLE audit_period (
        class smallint NOT NULL CONSTRAINT audit_period_class REFERENCES audit_heads (class),
        period date NOT NULL,
        first_seq bigint NOT NULL,
        last_seq bigint NOT NULL,
        rows bigint NOT NULL,
        bytes bigint NOT NULL,
        state text NOT NULL DEFAULT 'open' CONSTRAINT audit_period_state CHECK (state IN ('open', 'closed')),
        root bytea,
        closed_at timestamptz,
        CONSTRAINT audit_period_key PRIMARY KEY (class, period),
        CONSTRAINT audit_period_dense CHECK (rows = last_seq - first_seq + 1),
        CONSTRAINT audit_period_closed CHECK ((state = 'open') = (root IS NULL))
      )`);
    await q.query(`
      INSERT INTO audit_period (class, period, first_seq, last_seq, rows, bytes)
      SELECT class, date_trunc('month', sealed_at, 'UTC') AT TIME ZONE 'UTC', min(seq), max(seq), count(*), sum(octet_length(payload))
        FROM audit_log GROUP BY 1, 2`);
    await q.query(`
      CREATE TABLE audit_anchoring (
        anchor text NOT NULL,
        class smallint NOT NULL,
        number bigint NOT NULL,
        last_error text,
        CONSTRAINT audit_anchoring_key PRIMARY KEY (anchor, class)
      )`);
    await q.query(`
      CREATE TABLE audit_verification (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        state text NOT NULL DEFAULT 'waiting' CONSTRAINT audit_verification_state CHECK (state IN ('waiting', 'running', 'done')),
        requested_by text NOT NULL,
        options jsonb NOT NULL DEFAULT '{}',
        result text CONSTRAINT audit_verification_result CHECK (result IN ('sound', 'tampered', 'incomplete')),
        report jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CONSTRAINT audit_verification_done CHECK ((state = 'done') = (result IS NOT NULL))
      )`);
    await q.query('ALTER TABLE audit_heads ADD COLUMN heartbeat_at timestamptz');

    for (const table of INSERT_ONLY) {
      await q.query(
        `CREATE TRIGGER ${table}_insert_only BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()`,
      );
      await q.query(
        `CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()`,
      );
    }
    await q.query('CREATE TRIGGER audit_period_kept BEFORE DELETE ON audit_period FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()');
    await q.query(
      'CREATE TRIGGER audit_period_no_truncate BEFORE TRUNCATE ON audit_period FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query(`
      CREATE FUNCTION audit_checkpoint_grows() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        last audit_checkpoint;
      BEGIN
        SELECT * INTO last FROM audit_checkpoint c WHERE c.class = NEW.class ORDER BY c.number DESC LIMIT 1;
        IF NEW.number <> coalesce(last.number + 1, 0) OR NEW.size < last.size OR NEW.at < last.at
           OR NEW.size > (SELECT h.size FROM audit_heads h WHERE h.class = NEW.class) THEN
          RAISE EXCEPTION 'a checkpoint follows the one before it and never shrinks the log' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
      END $$`);
    await q.query(
      'CREATE TRIGGER audit_checkpoint_grows BEFORE INSERT ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_checkpoint_grows()',
    );

    await q.query('DROP FUNCTION audit_file(int)');
    // Makes the caller the one sealer until its transaction ends, or returns nothing. Sees whether the cluster is still the same, and
    // whether all logs should say that they are alive.
    await q.query(`
      CREATE FUNCTION audit_seal_begin(heartbeat_seconds int)
      RETURNS TABLE (class smallint, name text, size bigint, epoch int, epoch_began boolean, heartbeat boolean, at timestamptz)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      #variable_conflict use_column
      DECLARE
        held int;
        here record;
        known audit_epoch;
        began boolean := false;
        due boolean;
      BEGIN
        SELECT count(*) INTO held FROM (SELECT FROM audit_heads ORDER BY class FOR UPDATE SKIP LOCKED) h;
        IF held < (SELECT count(*) FROM audit_heads) THEN
          RETURN;
        END IF;
        SELECT s.system_identifier, c.timeline_id INTO here FROM pg_control_system() s, pg_control_checkpoint() c;
        SELECT * INTO known FROM audit_epoch ORDER BY epoch DESC LIMIT 1;
        IF known.epoch IS NULL OR (known.system_identifier, known.timeline) IS DISTINCT FROM (here.system_identifier, here.timeline_id) THEN
          began := known.epoch IS NOT NULL;
          INSERT INTO audit_epoch (epoch, system_identifier, timeline, sizes)
          SELECT coalesce(known.epoch + 1, 0), here.system_identifier, here.timeline_id, jsonb_object_agg(h.name, h.size) FROM audit_heads h
          RETURNING * INTO known;
        END IF;
        due := began OR EXISTS (SELECT FROM audit_heads h WHERE h.heartbeat_at IS NULL OR h.heartbeat_at < clock_timestamp() - make_interval(secs => heartbeat_seconds));
        UPDATE audit_heads SET fence = fence + 1, heartbeat_at = CASE WHEN due THEN clock_timestamp() ELSE heartbeat_at END;
        RETURN QUERY
          SELECT h.class, h.name, h.size, known.epoch, began, due,
                 greatest(clock_timestamp(), h.last_sealed_at, (SELECT c.at FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1))
            FROM audit_heads h ORDER BY h.class;
      END $$`);

    // Moves up to max_rows events from the inbox to the log, and returns for each class what sealing needs of them, in the order of seq. What
    // is hashed is the payload as it stands: the leaf its writer claimed comes along for comparison. All of a batch is sealed at one
    // instant, later than every batch and checkpoint before, so that a month is a run of seq without a gap.
    //
    // Below the snapshot's xmin every transaction is decided. What seems to come from the future was written in another cluster, before a
    // dump was restored into this one: nothing of this one can precede it either.
    await q.query(`
      CREATE FUNCTION audit_file(max_rows int)
      RETURNS TABLE (class smallint, first_seq bigint, events int, bytes bigint, sealed_at timestamptz, hashes bytea, leaves bytea, macs bytea)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      #variable_conflict use_column
      BEGIN
        IF (SELECT count(*) FROM (SELECT FROM audit_heads ORDER BY class FOR UPDATE SKIP LOCKED) h) < (SELECT count(*) FROM audit_heads) THEN
          RETURN;
        END IF;
        PERFORM set_config('cadastre.filing', pg_current_xact_id()::text, true);
        RETURN QUERY
        WITH due AS MATERIALIZED (
          SELECT i.ctid AS row_at FROM audit_inbox i
           WHERE (i.xid < (SELECT pg_snapshot_xmin(pg_current_snapshot()))
                  OR (i.xid >= (SELECT pg_snapshot_xmax(pg_current_snapshot())) AND i.xid <> (SELECT pg_current_xact_id())))
             AND i.class IN (SELECT h.class FROM audit_heads h)
           ORDER BY i.xid, i.id LIMIT max_rows
        ), moved AS (
          DELETE FROM audit_inbox i WHERE i.ctid = ANY (ARRAY (SELECT due.row_at FROM due)) RETURNING i.*
        ), instant AS MATERIALIZED (
          SELECT h.class, h.size,
                 greatest(clock_timestamp(), h.last_sealed_at + interval '1 microsecond',
                          (SELECT c.at + interval '1 microsecond' FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1)) AS sealed_at,
                 (SELECT max(e.epoch) FROM audit_epoch e) AS epoch
            FROM audit_heads h
        ), numbered AS MATERIALIZED (
          SELECT m.*, h.size - 1 + row_number() OVER (PARTITION BY m.class ORDER BY m.xid, m.id) AS seq, h.sealed_at, h.epoch,
                 audit_readable(m.payload) AS event, sha256('\\x00'::bytea || convert_to(m.payload, 'UTF8')) AS hash
            FROM moved m JOIN instant h ON h.class = m.class
        ), logged AS (
          INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, cluster_epoch, actor_id, action, category, severity,
                                 outcome, resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac)
          SELECT n.class, n.seq, n.sealed_at, coalesce((event ->> 'at')::timestamptz, n.recorded_at), n.recorded_at, n.id, n.xid,
                 coalesce(n.epoch, 0), event #>> '{actor,id}', event ->> 'action', event ->> 'category', event ->> 'severity',
                 event ->> 'outcome', event #>> '{resource,type}', event #>> '{resource,id}', (event #>> '{request,clientIp}')::inet,
                 event ->> 'correlationId',
                 CASE WHEN event -> 'flags' = '[]' THEN '{}' ELSE ARRAY (SELECT jsonb_array_elements_text(coalesce(event -> 'flags', '[]'))) END,
                 n.payload, n.leaf, n.emit_mac
            FROM numbered n
        ), batches AS MATERIALIZED (
          SELECT n.class, min(n.seq) AS first_seq, count(*)::int AS events, sum(octet_length(n.payload)) AS bytes, min(n.sealed_at) AS sealed_at,
                 string_agg(n.hash, '' ORDER BY n.seq) AS hashes, string_agg(n.leaf, '' ORDER BY n.seq) AS leaves,
                 string_agg(n.emit_mac, '' ORDER BY n.seq) AS macs
            FROM numbered n GROUP BY n.class
        ), counted AS (
          UPDATE audit_heads h SET size = h.size + b.events, last_sealed_at = b.sealed_at FROM batches b WHERE h.class = b.class
        ), months AS (
          INSERT INTO audit_period AS p (class, period, first_seq, last_seq, rows, bytes)
          SELECT b.class, date_trunc('month', b.sealed_at, 'UTC') AT TIME ZONE 'UTC', b.first_seq, b.first_seq + b.events - 1, b.events, b.bytes
            FROM batches b
          ON CONFLICT ON CONSTRAINT audit_period_key DO UPDATE
             SET last_seq = EXCLUDED.last_seq, rows = p.rows + EXCLUDED.rows, bytes = p.bytes + EXCLUDED.bytes
        )
        SELECT b.class, b.first_seq, b.events, b.bytes, b.sealed_at, b.hashes, b.leaves, b.macs FROM batches b ORDER BY b.class;
      END $$`);

    // Closes the months of a class that are over, once: the root is that of the tree that ends with the month.
    await q.query(`
      CREATE FUNCTION audit_close_period(of_class smallint, of_period date, its_root bytea) RETURNS boolean
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        UPDATE audit_period p SET state = 'closed', root = its_root, closed_at = clock_timestamp()
         WHERE p.class = of_class AND p.period = of_period AND p.state = 'open'
           AND EXISTS (SELECT FROM audit_period later WHERE later.class = of_class AND later.period > of_period);
        RETURN FOUND;
      END $$`);

    await q.query('REVOKE ALL ON FUNCTION audit_seal_begin(int), audit_file(int), audit_close_period(smallint, date, bytea) FROM PUBLIC');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON ${INSERT_ONLY.join(', ')}, audit_period FROM cadastre_app;
          GRANT SELECT ON audit_installation, audit_epoch, audit_period TO cadastre_app;
          GRANT SELECT, INSERT ON audit_key, audit_tile, audit_checkpoint, audit_quarantine TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_seal_begin(int), audit_file(int), audit_close_period(smallint, date, bytea) TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP FUNCTION audit_close_period(smallint, date, bytea), audit_file(int), audit_seal_begin(int)');
    await q.query('ALTER TABLE audit_heads DROP COLUMN heartbeat_at');
    await q.query(`DROP TABLE ${INSERT_ONLY.join(', ')}, audit_period, audit_anchoring, audit_verification`);
    await q.query('DROP FUNCTION audit_checkpoint_grows()');
    await q.query(FILE_EVENTS);
    await q.query('REVOKE ALL ON FUNCTION audit_file(int) FROM PUBLIC');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT EXECUTE ON FUNCTION audit_file(int) TO cadastre_app;
        END IF;
      END $$`);
  }
}
