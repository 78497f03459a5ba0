import { type MigrationInterface, type QueryRunner } from 'typeorm';

/**
 * Moves up to max_rows events from the inbox to the log and returns how many. Below the snapshot's xmin every transaction is decided and none
 * can still appear, so (xid, id) is an order without gaps; a sequence or a clock would lose late committers.
 */
export const FILE_EVENTS = `
  CREATE FUNCTION audit_file(max_rows int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  DECLARE
    filed int;
    held int;
  BEGIN
    SELECT count(*) INTO held FROM (SELECT FROM audit_heads ORDER BY class FOR UPDATE SKIP LOCKED) h;
    IF held < (SELECT count(*) FROM audit_heads) THEN
      RETURN 0;
    END IF;
    PERFORM set_config('cadastre.filing', pg_current_xact_id()::text, true);
    WITH due AS MATERIALIZED (
      SELECT i.ctid AS row_at FROM audit_inbox i
       WHERE i.xid < pg_snapshot_xmin(pg_current_snapshot()) AND i.class IN (SELECT h.class FROM audit_heads h) ORDER BY i.xid, i.id LIMIT max_rows
    ), moved AS (
      DELETE FROM audit_inbox i WHERE i.ctid = ANY (ARRAY (SELECT due.row_at FROM due)) RETURNING i.*
    ), numbered AS (
      SELECT m.*, h.size - 1 + row_number() OVER (PARTITION BY m.class ORDER BY m.xid, m.id) AS seq,
             greatest(clock_timestamp(), h.last_sealed_at) AS sealed_at, audit_readable(m.payload) AS event
        FROM moved m JOIN audit_heads h ON h.class = m.class
    ), logged AS (
      INSERT INTO audit_log (class, seq, sealed_at, occurred_at, recorded_at, id, xid, actor_id, action, category, severity, outcome,
                             resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac)
      SELECT n.class, n.seq, n.sealed_at, coalesce((event ->> 'at')::timestamptz, n.recorded_at), n.recorded_at, n.id, n.xid, event #>> '{actor,id}', event ->> 'action',
             event ->> 'category', event ->> 'severity', event ->> 'outcome', event #>> '{resource,type}', event #>> '{resource,id}',
             (event #>> '{request,clientIp}')::inet, event ->> 'correlationId',
             ARRAY (SELECT jsonb_array_elements_text(coalesce(event -> 'flags', '[]'))), n.payload, n.leaf, n.emit_mac
        FROM numbered n RETURNING class, sealed_at
    ), counted AS (
      UPDATE audit_heads h SET size = h.size + c.n, fence = h.fence + 1, last_sealed_at = c.last
        FROM (SELECT class, count(*) AS n, max(sealed_at) AS last FROM logged GROUP BY class) c WHERE h.class = c.class
    )
    SELECT count(*) INTO filed FROM logged;
    RETURN filed;
  END $$`;

/**
 * The trail: an index-free inbox written inside the business transaction, and an insert-only log, partitioned by retention class and then by
 * month of filing, to which one filer at a time moves what no open transaction can still precede.
 */
export class CreateAudit1793000000100 implements MigrationInterface {
  name = 'CreateAudit1793000000100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE audit_inbox (
        id uuid NOT NULL,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        class smallint NOT NULL,
        payload text NOT NULL CONSTRAINT audit_inbox_payload_size CHECK (octet_length(payload) <= 61440),
        leaf bytea NOT NULL CONSTRAINT audit_inbox_leaf_size CHECK (octet_length(leaf) = 32),
        emit_mac bytea NOT NULL CONSTRAINT audit_inbox_mac_size CHECK (octet_length(emit_mac) = 32)
      )`);
    await q.query(`
      CREATE TABLE audit_log (
        class smallint NOT NULL,
        seq bigint NOT NULL,
        sealed_at timestamptz NOT NULL,
        occurred_at timestamptz NOT NULL,
        recorded_at timestamptz NOT NULL,
        id uuid NOT NULL,
        xid xid8 NOT NULL,
        cluster_epoch int NOT NULL DEFAULT 0,
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
        CONSTRAINT audit_log_key PRIMARY KEY (class, sealed_at, seq)
      ) PARTITION BY LIST (class)`);
    // Newest first, whole or by what is asked for most: actor, resource, request, action.
    await q.query('CREATE INDEX audit_log_newest ON audit_log (id DESC)');
    await q.query('CREATE INDEX audit_log_actor ON audit_log (actor_id, id DESC)');
    await q.query('CREATE INDEX audit_log_resource ON audit_log (resource_type, resource_id, id DESC)');
    await q.query('CREATE INDEX audit_log_correlation ON audit_log (correlation_id)');
    await q.query('CREATE INDEX audit_log_action ON audit_log (action, id DESC)');
    // The few that somebody should look at, found without walking the many.
    await q.query(`CREATE INDEX audit_log_notable ON audit_log (severity, id DESC) WHERE severity <> 'info'`);
    await q.query(`CREATE INDEX audit_log_unsuccessful ON audit_log (outcome, id DESC) WHERE outcome <> 'success'`);
    await q.query('CREATE INDEX audit_log_time ON audit_log USING brin (occurred_at)');

    // One row a retention class: how many leaves its log has. The filer holds all of them while it works, so there is one filer.
    await q.query(`
      CREATE TABLE audit_heads (
        class smallint PRIMARY KEY,
        name text NOT NULL UNIQUE,
        size bigint NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0,
        last_sealed_at timestamptz NOT NULL DEFAULT '-infinity'
      )`);
    await q.query(`INSERT INTO audit_heads (class, name) VALUES (0, 'meta'), (1, 'access'), (3, 'ipam'), (7, 'governance')`);

    await q.query(`
      CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_TABLE_NAME = 'audit_inbox' AND TG_OP = 'DELETE' AND current_setting('cadastre.filing', true) = pg_current_xact_id()::text THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the audit trail is insert-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await q.query(
      'CREATE TRIGGER audit_inbox_insert_only BEFORE UPDATE OR DELETE ON audit_inbox FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query(
      'CREATE TRIGGER audit_inbox_no_truncate BEFORE TRUNCATE ON audit_inbox FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query(
      'CREATE TRIGGER audit_log_insert_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query(
      'CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );

    // Months from the current one to months_ahead later, for every class. TRUNCATE of one partition does not fire its parent's trigger, so each has its own.
    await q.query(`
      CREATE FUNCTION audit_ensure_partitions(months_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      DECLARE
        head record;
        first_month timestamptz := date_trunc('month', now(), 'UTC');
        month timestamptz;
        part text;
        made int := 0;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('cadastre audit partitions', 0));
        FOR head IN SELECT * FROM audit_heads ORDER BY class LOOP
          part := 'audit_log_' || head.name;
          IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES IN (%s) PARTITION BY RANGE (sealed_at)', part, head.class);
          END IF;
          FOR i IN 0..months_ahead LOOP
            month := date_trunc('month', first_month + make_interval(months => i), 'UTC');
            part := 'audit_log_' || head.name || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', part, 'audit_log_' || head.name, month, month + interval '1 month');
            EXECUTE format('CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', part);
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
              EXECUTE format('REVOKE ALL ON %I FROM cadastre_app', part);
            END IF;
            made := made + 1;
          END LOOP;
        END LOOP;
        RETURN made;
      END $$`);

    // An event as its columns need it, whatever was written: one row that cannot be read must not keep all that follow from being filed. Its
    // payload is filed as it is.
    await q.query(`
      CREATE FUNCTION audit_readable(payload text) RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
      DECLARE
        unreadable CONSTANT jsonb := '{"action": "audit.unreadable", "category": "meta", "severity": "critical", "outcome": "failure", "flags": []}';
        event jsonb;
      BEGIN
        IF NOT pg_input_is_valid(payload, 'jsonb') THEN
          RETURN unreadable;
        END IF;
        event := payload::jsonb;
        IF jsonb_typeof(event) <> 'object' OR jsonb_typeof(event -> 'flags') IS DISTINCT FROM 'array'
           OR pg_input_is_valid(event ->> 'at', 'timestamptz') IS NOT TRUE OR event ->> 'action' IS NULL OR event ->> 'category' IS NULL
           OR event ->> 'severity' IS NULL OR event ->> 'outcome' IS NULL THEN
          RETURN unreadable;
        END IF;
        IF NOT pg_input_is_valid(event #>> '{request,clientIp}', 'inet') THEN
          RETURN event #- '{request,clientIp}';
        END IF;
        RETURN event;
      END $$`);

    await q.query(FILE_EVENTS);

    // What is read: the log and the tail that is not filed yet.
    await q.query(`
      CREATE VIEW audit_events AS
        SELECT l.id, l.class, l.occurred_at, l.actor_id, l.action, l.category, l.severity, l.outcome, l.resource_type, l.resource_id,
               l.client_ip, l.correlation_id, l.flags, l.payload, l.leaf, true AS filed, l.seq
          FROM audit_log l
        UNION ALL
        SELECT i.id, i.class, coalesce((e ->> 'at')::timestamptz, i.recorded_at), e #>> '{actor,id}', e ->> 'action', e ->> 'category', e ->> 'severity', e ->> 'outcome',
               e #>> '{resource,type}', e #>> '{resource,id}', (e #>> '{request,clientIp}')::inet, e ->> 'correlationId',
               ARRAY (SELECT jsonb_array_elements_text(coalesce(e -> 'flags', '[]'))), i.payload, i.leaf, false, NULL
          FROM audit_inbox i CROSS JOIN LATERAL (SELECT audit_readable(i.payload) AS e) p`);
    await q.query('SELECT audit_ensure_partitions(3)');
    await q.query('REVOKE ALL ON FUNCTION audit_file(int), audit_ensure_partitions(int) FROM PUBLIC');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_inbox, audit_log, audit_log_meta, audit_log_access, audit_log_ipam, audit_log_governance, audit_heads, audit_events FROM cadastre_app;
          GRANT SELECT, INSERT ON audit_inbox TO cadastre_app;
          GRANT SELECT ON audit_log, audit_heads, audit_events TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_file(int), audit_ensure_partitions(int) TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP VIEW audit_events');
    await q.query('DROP FUNCTION audit_file(int), audit_ensure_partitions(int), audit_readable(text)');
    await q.query('DROP TABLE audit_log');
    await q.query('DROP TABLE audit_inbox');
    await q.query('DROP TABLE audit_heads');
    await q.query('DROP FUNCTION audit_refuse_change()');
  }
}
