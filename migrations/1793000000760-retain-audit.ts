import { type MigrationInterface, type QueryRunner } from 'typeorm';

const LOGS = `'{access,reads,ipam,governance,critical}'`;
const INSERT_ONLY = ['audit_period_content'];
/** What may change of a hold: that it is released, once. */
const RELEASE = `'{released_at,released_by,released_by_name,release_reason}'`;

/** How long the trail is kept: policies, what each month holds that they can match, and legal holds, which stop them. */
export class RetainAudit1793000000760 implements MigrationInterface {
  name = 'RetainAudit1793000000760';

  async up(q: QueryRunner): Promise<void> {
    // Days count from the end of the month an event was filed in. No delete_after_days: never deleted.
    await q.query(`
      CREATE TABLE audit_retention_policy (
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT audit_retention_policy_key PRIMARY KEY,
        name text NOT NULL CONSTRAINT audit_retention_policy_name_length CHECK (length(name) BETWEEN 1 AND 100),
        logs text[] NOT NULL CONSTRAINT audit_retention_policy_logs CHECK (cardinality(logs) > 0 AND logs <@ ${LOGS}),
        resource_types text[] NOT NULL DEFAULT '{}' CONSTRAINT audit_retention_policy_types_limit CHECK (cardinality(resource_types) <= 100),
        severities text[] NOT NULL DEFAULT '{}'
          CONSTRAINT audit_retention_policy_severities CHECK (severities <@ '{info,low,medium,high,critical}'),
        regime text NOT NULL DEFAULT 'none' CONSTRAINT audit_retention_policy_regime CHECK (regime IN ('none', 'gdpr', 'sox', 'hipaa', 'pci')),
        reason text NOT NULL DEFAULT '' CONSTRAINT audit_retention_policy_reason_length CHECK (length(reason) <= 2000),
        archive_after_days int CONSTRAINT audit_retention_policy_archive_range CHECK (archive_after_days BETWEEN 1 AND 36500),
        delete_after_days int CONSTRAINT audit_retention_policy_delete_range CHECK (delete_after_days BETWEEN 1 AND 36500),
        enabled boolean NOT NULL DEFAULT true,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL DEFAULT 'system',
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT audit_retention_policy_order CHECK (archive_after_days <= delete_after_days),
        -- PCI DSS 10.5.1: twelve months, of which the last three are at hand.
        CONSTRAINT audit_retention_policy_year CHECK (delete_after_days >= 365 OR NOT logs && '{access,governance,critical}'
          OR (regime NOT IN ('none', 'pci') AND reason <> '')),
        CONSTRAINT audit_retention_policy_at_hand CHECK (archive_after_days >= 90 OR NOT logs && '{access,governance,critical}'
          OR (regime NOT IN ('none', 'pci') AND reason <> ''))
      )`);
    await q.query('CREATE UNIQUE INDEX audit_retention_policy_name_unique ON audit_retention_policy (lower(name))');
    await q.query(`
      INSERT INTO audit_retention_policy (name, logs, archive_after_days, delete_after_days, reason)
      VALUES ('Everything', '{access,ipam,governance}', 1096, 2557, 'Three years at hand, seven years in all.'),
             ('Critical events', '{critical}', 1096, NULL, 'What was critical is never deleted.'),
             ('Reads', '{reads}', NULL, 90, 'Who looked at what is asked soon or never.')`);

    // What a closed month holds: so much of one resource type, severity and set of flags. It outlives the month's events, which is how a
    // hold knows what an archived month may have in it. No unique index: what an event says of itself may be longer than an index bears.
    await q.query(`
      CREATE TABLE audit_period_content (
        class smallint NOT NULL,
        period date NOT NULL,
        resource_type text NOT NULL,
        severity text NOT NULL,
        flags text[] NOT NULL,
        rows bigint NOT NULL,
        bytes bigint NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        CONSTRAINT audit_period_content_period FOREIGN KEY (class, period) REFERENCES audit_period (class, period)
      )`);
    await q.query('CREATE INDEX audit_period_content_month ON audit_period_content (class, period)');

    // Placed by one person, released by another: by account, so that a key counts as its owner.
    await q.query(`
      CREATE TABLE audit_legal_hold (
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT audit_legal_hold_key PRIMARY KEY,
        name text NOT NULL CONSTRAINT audit_legal_hold_name_length CHECK (length(name) BETWEEN 1 AND 100),
        reason text NOT NULL CONSTRAINT audit_legal_hold_reason_length CHECK (length(reason) BETWEEN 1 AND 2000),
        everything boolean NOT NULL DEFAULT false,
        logs text[] CONSTRAINT audit_legal_hold_logs CHECK (cardinality(logs) > 0 AND logs <@ ${LOGS}),
        resource_type text CONSTRAINT audit_legal_hold_type_length CHECK (length(resource_type) BETWEEN 1 AND 100),
        resource_id text CONSTRAINT audit_legal_hold_resource_length CHECK (length(resource_id) BETWEEN 1 AND 300),
        actor_id text CONSTRAINT audit_legal_hold_actor_length CHECK (length(actor_id) BETWEEN 1 AND 300),
        from_at timestamptz,
        to_at timestamptz,
        placed_at timestamptz NOT NULL DEFAULT now(),
        placed_by text NOT NULL,
        placed_by_name text NOT NULL,
        released_at timestamptz,
        released_by text,
        released_by_name text,
        release_reason text CONSTRAINT audit_legal_hold_release_length CHECK (length(release_reason) BETWEEN 1 AND 2000),
        CONSTRAINT audit_legal_hold_says_something
          CHECK (everything = (num_nonnulls(logs, resource_type, resource_id, actor_id, from_at, to_at) = 0)),
        CONSTRAINT audit_legal_hold_period CHECK (from_at < to_at),
        CONSTRAINT audit_legal_hold_released CHECK (num_nonnulls(released_at, released_by, released_by_name, release_reason) IN (0, 4)),
        CONSTRAINT audit_legal_hold_four_eyes CHECK (released_by <> placed_by)
      )`);
    // The names of the holds that are in force are what people know them by.
    await q.query('CREATE UNIQUE INDEX audit_legal_hold_name_unique ON audit_legal_hold (lower(name)) WHERE released_at IS NULL');
    await q.query(`
      CREATE FUNCTION audit_legal_hold_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
      BEGIN
        IF TG_OP = 'INSERT' AND NEW.released_at IS NULL THEN
          NEW.placed_at := audit_clock();
          RETURN NEW;
        END IF;
        IF TG_OP = 'UPDATE' AND OLD.released_at IS NULL AND NEW.released_at IS NOT NULL AND to_jsonb(NEW) - ${RELEASE}::text[] = to_jsonb(OLD) - ${RELEASE}::text[] THEN
          NEW.released_at := audit_clock();
          RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a legal hold stays as it was placed, and is released once' USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await q.query(
      'CREATE TRIGGER audit_legal_hold_keep BEFORE INSERT OR UPDATE OR DELETE ON audit_legal_hold FOR EACH ROW EXECUTE FUNCTION audit_legal_hold_keep()',
    );
    await q.query(
      'CREATE TRIGGER audit_legal_hold_no_truncate BEFORE TRUNCATE ON audit_legal_hold FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );
    for (const table of INSERT_ONLY) {
      await q.query(
        `CREATE TRIGGER ${table}_insert_only BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()`,
      );
      await q.query(
        `CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()`,
      );
    }

    await this.countContents(q);
    await this.answerForHolds(q);
    await q.query('REVOKE ALL ON FUNCTION audit_fill_contents() FROM PUBLIC');
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_retention_policy, audit_period_content, audit_legal_hold FROM cadastre_app;
          GRANT SELECT, INSERT, UPDATE, DELETE ON audit_retention_policy TO cadastre_app;
          GRANT SELECT ON audit_period_content TO cadastre_app;
          GRANT SELECT, INSERT, UPDATE (released_at, released_by, released_by_name, release_reason) ON audit_legal_hold TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_fill_contents() TO cadastre_app;
        END IF;
      END $$`);

    // What was resolved may go once nobody asks about it any more; how old it must be at least, the database says.
    await q.query(`
      CREATE OR REPLACE FUNCTION security_events_keep() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND ROW (new.id, new.rule, new.severity, new.key_id, new.window_start, new.detail, new.raised_at)
            IS NOT DISTINCT FROM ROW (old.id, old.rule, old.severity, old.key_id, old.window_start, old.detail, old.raised_at) THEN
          RETURN new;
        END IF;
        IF TG_OP = 'DELETE' AND old.resolved_at < now() - interval '90 days' THEN
          RETURN old;
        END IF;
        RAISE EXCEPTION 'security events stay as they were raised' USING ERRCODE = 'restrict_violation';
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE OR REPLACE FUNCTION security_events_keep() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND ROW (new.id, new.rule, new.severity, new.key_id, new.window_start, new.detail, new.raised_at)
            IS NOT DISTINCT FROM ROW (old.id, old.rule, old.severity, old.key_id, old.window_start, old.detail, old.raised_at) THEN
          RETURN new;
        END IF;
        RAISE EXCEPTION 'security events stay as they were raised' USING ERRCODE = 'restrict_violation';
      END $$`);
    await q.query(
      'CREATE OR REPLACE FUNCTION audit_held(of_class smallint, of_period date) RETURNS boolean LANGUAGE sql STABLE SECURITY INVOKER SET search_path = public, pg_temp AS $$ SELECT false $$',
    );
    await q.query('DROP FUNCTION audit_subject_held(text), audit_subject_touched(text), audit_hold_still()');
    await q.query('DROP FUNCTION audit_hold_months(uuid), audit_hold_meets(audit_legal_hold, smallint, date)');
    await q.query('DROP FUNCTION audit_hold_condition(audit_legal_hold)');
    await q.query('DROP FUNCTION audit_fill_contents(), audit_month_is_here(smallint, date)');
    await q.query('DROP TABLE audit_legal_hold, audit_period_content, audit_retention_policy');
    await q.query('DROP FUNCTION audit_legal_hold_keep()');
  }

  private async countContents(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE FUNCTION audit_month_is_here(of_class smallint, of_period date) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT EXISTS (
          SELECT FROM audit_heads h JOIN pg_inherits i ON i.inhparent = to_regclass('audit_log_' || h.name)
           WHERE h.class = of_class AND i.inhrelid = to_regclass('audit_log_' || h.name || '_' || to_char(of_period, 'YYYY_MM'))
             AND NOT i.inhdetachpending)
      $$`);
    // Counts the closed months that nobody has counted yet, each once, and returns how many. A month that does not add up with what was
    // sealed is left out: no policy ever matches it, so nothing of it goes.
    await q.query(`
      CREATE FUNCTION audit_fill_contents() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      DECLARE
        month record;
        filled int := 0;
      BEGIN
        IF NOT EXISTS (SELECT FROM audit_period p WHERE p.root IS NOT NULL AND p.class <> 0
                          AND NOT EXISTS (SELECT FROM audit_period_content c WHERE c.class = p.class AND c.period = p.period)) THEN
          RETURN 0;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('cadastre audit contents', 0));
        FOR month IN
          SELECT p.* FROM audit_period p
           WHERE p.root IS NOT NULL AND p.class <> 0 AND audit_month_is_here(p.class, p.period)
             AND NOT EXISTS (SELECT FROM audit_period_content c WHERE c.class = p.class AND c.period = p.period)
           ORDER BY p.class, p.period
        LOOP
          WITH counted AS MATERIALIZED (
            SELECT coalesce(l.resource_type, '') AS resource_type, l.severity, l.flags, count(*) AS rows, sum(octet_length(l.payload)) AS bytes,
                   min(l.occurred_at) AS first_at, max(l.occurred_at) AS last_at
              FROM audit_log l
             WHERE l.class = month.class AND l.sealed_at >= month.period::timestamp AT TIME ZONE 'UTC'
               AND l.sealed_at < (month.period + interval '1 month') AT TIME ZONE 'UTC'
             GROUP BY 1, 2, 3
          )
          INSERT INTO audit_period_content (class, period, resource_type, severity, flags, rows, bytes, first_at, last_at)
          SELECT month.class, month.period, c.resource_type, c.severity, c.flags, c.rows, c.bytes, c.first_at, c.last_at
            FROM counted c WHERE (SELECT sum(a.rows) FROM counted a) = month.rows;
          IF FOUND THEN
            filled := filled + 1;
          END IF;
        END LOOP;
        RETURN filled;
      END $$`);
  }

  private async answerForHolds(q: QueryRunner): Promise<void> {
    // What an event of a hold looks like, as the end of a WHERE over audit_log l: a text of its own for each hold, so that each is planned
    // by the indexes it can use. What a key did is its owner's too; no index knows that, so a hold on an account may read a month whole. Payloads
    // are canonical JSON: what strpos() looks for is how they write it.
    await q.query(String.raw`
      CREATE FUNCTION audit_hold_condition(hold audit_legal_hold) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT concat_ws(' AND ', 'true',
                         CASE WHEN hold.resource_type IS NOT NULL THEN format('l.resource_type = %L', hold.resource_type) END,
                         CASE WHEN hold.resource_id IS NOT NULL THEN format('l.resource_id = %L', hold.resource_id) END,
                         CASE WHEN hold.actor_id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
                              THEN format('(l.actor_id = %1$L OR (strpos(l.payload, %2$L) > 0 AND audit_readable(l.payload) #>> ''{actor,ownerId}'' = %1$L))',
                                          hold.actor_id, format('"ownerId":"%s"', hold.actor_id))
                              WHEN hold.actor_id IS NOT NULL THEN format('l.actor_id = %L', hold.actor_id) END,
                         CASE WHEN hold.from_at IS NOT NULL THEN format('l.occurred_at >= %L', hold.from_at) END,
                         CASE WHEN hold.to_at IS NOT NULL THEN format('l.occurred_at < %L', hold.to_at) END)
      $$`);
    // Whether a month has an event of the hold: exactly while the month is in the database. Of an archived one only its contents are known,
    // not who acted nor on what, so it counts as met when it may be; and without contents always.
    await q.query(`
      CREATE FUNCTION audit_hold_meets(hold audit_legal_hold, of_class smallint, of_period date) RETURNS boolean
      LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
      DECLARE
        met boolean;
      BEGIN
        IF hold.logs IS NOT NULL AND NOT EXISTS (SELECT FROM audit_heads h WHERE h.class = of_class AND h.name = ANY (hold.logs)) THEN
          RETURN false;
        END IF;
        IF num_nonnulls(hold.resource_type, hold.resource_id, hold.actor_id, hold.from_at, hold.to_at) = 0 THEN
          RETURN true;
        END IF;
        IF audit_month_is_here(of_class, of_period) THEN
          EXECUTE 'SELECT EXISTS (SELECT FROM audit_log l WHERE l.class = $1 AND l.sealed_at >= $2 AND l.sealed_at < $3 AND ' || audit_hold_condition(hold) || ')'
             INTO met USING of_class, of_period::timestamp AT TIME ZONE 'UTC', (of_period + interval '1 month') AT TIME ZONE 'UTC';
          RETURN met;
        END IF;
        RETURN NOT EXISTS (SELECT FROM audit_period_content c WHERE c.class = of_class AND c.period = of_period)
               OR EXISTS (SELECT FROM audit_period_content c
                           WHERE c.class = of_class AND c.period = of_period
                             AND (hold.resource_type IS NULL OR c.resource_type = hold.resource_type)
                             AND (hold.from_at IS NULL OR c.last_at >= hold.from_at) AND (hold.to_at IS NULL OR c.first_at < hold.to_at));
      END $$`);
    // The months that a hold touches, and how much of each: a count where the month is here, else at most so much.
    await q.query(`
      CREATE FUNCTION audit_hold_months(of_hold uuid) RETURNS TABLE (log text, period date, rows bigint, bytes bigint, exact boolean)
      LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
      #variable_conflict use_column
      DECLARE
        hold audit_legal_hold;
        month record;
        found_rows bigint;
        found_bytes bigint;
        is_here boolean;
      BEGIN
        SELECT * INTO hold FROM audit_legal_hold h WHERE h.id = of_hold;
        FOR month IN
          SELECT p.*, h.name FROM audit_period p JOIN audit_heads h ON h.class = p.class
           WHERE p.class <> 0 AND (hold.logs IS NULL OR h.name = ANY (hold.logs)) ORDER BY h.class, p.period
        LOOP
          IF num_nonnulls(hold.resource_type, hold.resource_id, hold.actor_id, hold.from_at, hold.to_at) = 0 THEN
            RETURN QUERY SELECT month.name, month.period, month.rows, month.bytes, true;
            CONTINUE;
          END IF;
          is_here := audit_month_is_here(month.class, month.period);
          IF is_here THEN
            EXECUTE 'SELECT count(*), coalesce(sum(octet_length(l.payload)), 0) FROM audit_log l WHERE l.class = $1 AND l.sealed_at >= $2 AND l.sealed_at < $3 AND ' || audit_hold_condition(hold)
               INTO found_rows, found_bytes
              USING month.class, month.period::timestamp AT TIME ZONE 'UTC', (month.period + interval '1 month') AT TIME ZONE 'UTC';
          ELSIF EXISTS (SELECT FROM audit_period_content c WHERE c.class = month.class AND c.period = month.period) THEN
            SELECT coalesce(sum(c.rows), 0), coalesce(sum(c.bytes), 0) INTO found_rows, found_bytes FROM audit_period_content c
             WHERE c.class = month.class AND c.period = month.period
               AND (hold.resource_type IS NULL OR c.resource_type = hold.resource_type)
               AND (hold.from_at IS NULL OR c.last_at >= hold.from_at) AND (hold.to_at IS NULL OR c.first_at < hold.to_at);
          ELSE
            found_rows := month.rows;
            found_bytes := month.bytes;
          END IF;
          IF found_rows > 0 THEN
            RETURN QUERY SELECT month.name, month.period, found_rows, found_bytes, is_here;
          END IF;
        END LOOP;
      END $$`);
    // Until the caller's transaction is over no hold is placed or released; it waits for those that are being placed. Whichever commits
    // first wins, and a hold that is committed is seen by every later statement; an older snapshot could not see it, so none is accepted.
    // Call it before locking what is to be removed: who places a hold locks this table alone.
    await q.query(`
      CREATE FUNCTION audit_hold_still() RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
          RAISE EXCEPTION 'ask for holds in a transaction that is read committed: this one cannot see what was just placed';
        END IF;
        LOCK TABLE audit_legal_hold IN SHARE MODE;
      END $$`);
    // Whether a month must stay, asked right before something of it is removed, by the transaction that removes it and before it locks the
    // month. Volatile, so that the question sees what was committed while it waited for the lock.
    await q.query(`
      CREATE OR REPLACE FUNCTION audit_held(of_class smallint, of_period date) RETURNS boolean
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        PERFORM audit_hold_still();
        RETURN EXISTS (SELECT FROM audit_legal_hold h WHERE h.released_at IS NULL AND audit_hold_meets(h, of_class, of_period));
      END $$`);
    // Whether a hold in force is about somebody or something, or about more than one person or thing: what to look at.
    await q.query(`
      CREATE FUNCTION audit_subject_touched(subject text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT EXISTS (SELECT FROM audit_legal_hold h
                        WHERE h.released_at IS NULL
                          AND (h.actor_id = subject OR h.resource_id = subject OR (h.actor_id IS NULL AND h.resource_id IS NULL)))
      $$`);
    // The same for whoever removes something about it, with the lock of audit_held().
    await q.query(`
      CREATE FUNCTION audit_subject_held(subject text) RETURNS boolean
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        PERFORM audit_hold_still();
        RETURN audit_subject_touched(subject);
      END $$`);
  }
}
