import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { WORDS_IN, WORDS_OF_EVENT } from './1793000000720-ask-audit.js';

const FILER = 'audit_file(int)';

/** What the filer says now, and what it says of events that have personal columns. */
const FILED: readonly (readonly [string, string])[] = [
  [
    'outcome, resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac)',
    'outcome, resource_type, resource_id, client_ip, correlation_id, flags, payload, leaf, emit_mac, names, salt)',
  ],
  [
    `(event #>> '{request,clientIp}')::inet,`,
    `CASE WHEN NOT n.erased THEN coalesce(n.client_ip, (event #>> '{request,clientIp}')::inet) END,`,
  ],
  [
    'n.payload, n.leaf, n.emit_mac\n            FROM numbered n',
    'n.payload, n.leaf, n.emit_mac, CASE WHEN NOT n.erased THEN n.names END, CASE WHEN NOT n.erased THEN n.salt END\n            FROM numbered n',
  ],
  [
    `convert_to(m.payload, 'UTF8')) AS hash`,
    `convert_to(m.payload, 'UTF8')) AS hash,
                 m.salt IS NOT NULL AND (SELECT EXISTS (SELECT FROM audit_subject_key k WHERE k.destroyed_at IS NOT NULL)) AND audit_is_erased(m.payload) AS erased`,
  ],
];

const EVENTS = `
        SELECT l.id, l.class, l.occurred_at, l.actor_id, l.action, l.category, l.severity, l.outcome, l.resource_type, l.resource_id,
               l.client_ip, l.correlation_id, l.flags, l.payload, l.leaf, true AS filed, l.seq`;
const EVENTS_WAITING = (clientIp: string): string => `
        SELECT i.id, i.class, coalesce((e ->> 'at')::timestamptz, i.recorded_at), e #>> '{actor,id}', e ->> 'action', e ->> 'category', e ->> 'severity', e ->> 'outcome',
               e #>> '{resource,type}', e #>> '{resource,id}', ${clientIp}, e ->> 'correlationId',
               ARRAY (SELECT jsonb_array_elements_text(coalesce(e -> 'flags', '[]'))), i.payload, i.leaf, false, NULL`;
const WAITING = 'FROM audit_inbox i CROSS JOIN LATERAL (SELECT audit_readable(i.payload) AS e) p';

/**
 * What an event says of a person is encrypted in its payload under that person's key, and lies in columns beside it so that it can be found.
 * Erasure destroys the key and empties the columns; the payload, and with it every proof, stays.
 */
export class EncryptAudit1793000000780 implements MigrationInterface {
  name = 'EncryptAudit1793000000780';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE audit_subject_key (
        kid uuid NOT NULL CONSTRAINT audit_subject_key_key PRIMARY KEY,
        subject text NOT NULL,
        wrapped bytea,
        created_at timestamptz NOT NULL DEFAULT audit_clock(),
        destroyed_at timestamptz,
        destroyed_by text,
        reason text,
        CONSTRAINT audit_subject_key_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
      )`);
    // The keys of one person.
    await q.query('CREATE INDEX audit_subject_key_subject ON audit_subject_key (subject)');
    // What was destroyed since somebody last asked, and all that ever was.
    await q.query('CREATE INDEX audit_subject_key_destroyed_at ON audit_subject_key (destroyed_at) WHERE destroyed_at IS NOT NULL');
    await q.query('ALTER TABLE audit_inbox ADD COLUMN client_ip inet, ADD COLUMN names text, ADD COLUMN salt bytea');
    await q.query('ALTER TABLE audit_log ADD COLUMN names text, ADD COLUMN salt bytea');

    await q.query(`
      CREATE FUNCTION audit_is_erased(payload text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT EXISTS (
          SELECT FROM audit_readable(payload) e
            CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(e -> 'personal') WHEN 'array' THEN e -> 'personal' ELSE '[]' END) p
            JOIN audit_subject_key k ON k.kid::text = p ->> 'key' AND k.destroyed_at IS NOT NULL)
      $$`);

    // As before, with the names that lie beside the payload, and the keys of the persons in it: what an erasure looks for.
    await q.query('DROP INDEX audit_log_words');
    await q.query('DROP FUNCTION audit_words(text)');
    await q.query(`
      CREATE FUNCTION audit_words(payload text, names text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
      DECLARE
        event jsonb;
        known CONSTANT jsonb := CASE WHEN pg_input_is_valid(names, 'jsonb') THEN names::jsonb END;
        actor text;
        said text;
        words text[];
      BEGIN
        IF NOT pg_input_is_valid(payload, 'jsonb') THEN
          RETURN '';
        END IF;
        event := payload::jsonb;
        actor := coalesce(event #>> '{actor,name}', known ->> 'actor');
        said := lower(concat_ws(' ', event ->> 'action', left(coalesce(event #>> '{resource,name}', known ->> 'resource'), 300),
                                left(event #>> '{resource,id}', 300), left(actor, 300), event #>> '{actor,ownerId}',
                                left((event -> 'detail')::text, 4000), left(known ->> 'detail', 4000)));${WORDS_IN}
        words := words || (chr(1) || 'actor:' || lower(left(actor, 190)));
        IF jsonb_typeof(event -> 'personal') = 'array' THEN
          words := words || ARRAY (SELECT chr(1) || 'key:' || (p ->> 'key') FROM jsonb_array_elements(event -> 'personal') p);
        END IF;
        RETURN array_to_tsvector(array_remove(array_remove(words, ''), NULL));
      END $$`);
    // Takes about a minute for five million events, during which nothing is filed; writing the inbox goes on.
    await q.query('CREATE INDEX audit_log_words ON audit_log USING gin (audit_words(payload, names))');

    await rewrite(q, FILER, FILED);
    await q.query(`
      CREATE OR REPLACE VIEW audit_events AS${EVENTS}, l.names
          FROM audit_log l
        UNION ALL${EVENTS_WAITING(`coalesce(i.client_ip, (e #>> '{request,clientIp}')::inet)`)}, i.names
          ${WAITING}`);

    // Whether the law, or a court, wants it kept.
    await q.query(`
      DO $do$ BEGIN
        IF to_regprocedure('audit_subject_held(text)') IS NULL THEN
          CREATE FUNCTION audit_subject_held(subject text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$ SELECT false $$;
        END IF;
      END $do$`);
    await q.query(`
      CREATE FUNCTION audit_subject_active(subject text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
        SELECT EXISTS (SELECT FROM users u WHERE u.id::text = subject AND u.active)
      $$`);

    await q.query(`
      CREATE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND current_setting('cadastre.erasing', true) = pg_current_xact_id()::text
           AND NEW.client_ip IS NULL AND NEW.names IS NULL AND NEW.salt IS NULL THEN
          NEW.client_ip := OLD.client_ip;
          NEW.names := OLD.names;
          NEW.salt := OLD.salt;
          IF NEW IS NOT DISTINCT FROM OLD THEN
            NEW.client_ip := NULL;
            NEW.names := NULL;
            NEW.salt := NULL;
            RETURN NEW;
          END IF;
        END IF;
        RAISE EXCEPTION 'the audit trail is insert-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await q.query('DROP TRIGGER audit_log_insert_only ON audit_log');
    await q.query(
      'CREATE TRIGGER audit_log_insert_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_guard()',
    );
    await q.query(`
      CREATE FUNCTION audit_subject_key_guard() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'UPDATE' AND current_setting('cadastre.erasing', true) = pg_current_xact_id()::text
           AND OLD.destroyed_at IS NULL AND NEW.wrapped IS NULL
           AND (NEW.kid, NEW.subject, NEW.created_at) IS NOT DISTINCT FROM (OLD.kid, OLD.subject, OLD.created_at) THEN
          RETURN NEW;
        END IF;
        RAISE EXCEPTION 'keys of the audit trail are only destroyed: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
      END $$`);
    await q.query(
      'CREATE TRIGGER audit_subject_key_kept BEFORE UPDATE OR DELETE ON audit_subject_key FOR EACH ROW EXECUTE FUNCTION audit_subject_key_guard()',
    );
    await q.query(
      'CREATE TRIGGER audit_subject_key_no_truncate BEFORE TRUNCATE ON audit_subject_key FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()',
    );

    // Destroys those of the keys that are still there, and says which. Whoever makes a key of the subject meanwhile is waited for.
    await q.query(`
      CREATE FUNCTION audit_destroy_keys(of_subject text, only_kids uuid[], by_whom text, why text) RETURNS SETOF uuid
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('cadastre audit subject ' || of_subject, 0));
        IF audit_subject_held(of_subject) THEN
          RAISE EXCEPTION 'events of % are under a legal hold', of_subject USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('cadastre.erasing', pg_current_xact_id()::text, true);
        RETURN QUERY
        UPDATE audit_subject_key k SET wrapped = NULL, destroyed_at = audit_clock(), destroyed_by = by_whom, reason = why
         WHERE k.subject = of_subject AND k.destroyed_at IS NULL AND (only_kids IS NULL OR k.kid = ANY (only_kids))
        RETURNING k.kid;
        PERFORM set_config('cadastre.erasing', '', true);
      END $$`);
    // Waits until nothing is being filed: what is filed from then on knows which keys are destroyed.
    await q.query(`
      CREATE FUNCTION audit_await_filer() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT FROM audit_heads h ORDER BY h.class FOR UPDATE
      $$`);
    // Empties what lies beside the payloads of one month of a log that were written under these keys, so many at a time; of keys that are
    // there still it empties nothing.
    await q.query(`
      CREATE FUNCTION audit_forget_names(kids uuid[], of_class smallint, of_period date, most int) RETURNS int
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      DECLARE
        wanted tsquery := (SELECT string_agg('''' || chr(1) || 'key:' || k.kid || '''', ' | ')::tsquery FROM audit_subject_key k
                            WHERE k.kid = ANY (kids) AND k.destroyed_at IS NOT NULL);
        emptied int;
      BEGIN
        PERFORM set_config('cadastre.erasing', pg_current_xact_id()::text, true);
        UPDATE audit_log l SET client_ip = NULL, names = NULL, salt = NULL
         WHERE l.class = of_class AND l.sealed_at >= of_period::timestamp AT TIME ZONE 'UTC'
           AND l.sealed_at < (of_period + interval '1 month') AT TIME ZONE 'UTC'
           AND l.seq = ANY (ARRAY (
             SELECT e.seq FROM audit_log e
              WHERE e.class = of_class AND e.sealed_at >= of_period::timestamp AT TIME ZONE 'UTC'
                AND e.sealed_at < (of_period + interval '1 month') AT TIME ZONE 'UTC'
                AND audit_words(e.payload, e.names) @@ wanted AND e.salt IS NOT NULL
              LIMIT most));
        GET DIAGNOSTICS emptied = ROW_COUNT;
        PERFORM set_config('cadastre.erasing', '', true);
        RETURN emptied;
      END $$`);
    await q.query(
      'REVOKE ALL ON FUNCTION audit_await_filer(), audit_destroy_keys(text, uuid[], text, text), audit_forget_names(uuid[], smallint, date, int) FROM PUBLIC',
    );
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          -- The two logs that were added later had the rights that new tables have.
          REVOKE ALL ON audit_subject_key, audit_log_reads, audit_log_critical FROM cadastre_app;
          GRANT SELECT, INSERT ON audit_subject_key TO cadastre_app;
          GRANT EXECUTE ON FUNCTION audit_await_filer(), audit_destroy_keys(text, uuid[], text, text), audit_forget_names(uuid[], smallint, date, int) TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    // What was encrypted cannot be read without its keys: they are rows that are destroyed, and counted as such.
    await q.query(
      'DROP FUNCTION audit_await_filer(), audit_destroy_keys(text, uuid[], text, text), audit_forget_names(uuid[], smallint, date, int)',
    );
    await q.query('DROP TRIGGER audit_log_insert_only ON audit_log');
    await q.query(
      'CREATE TRIGGER audit_log_insert_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_refuse_change()',
    );
    await q.query('DROP FUNCTION audit_log_guard()');
    await q.query('DROP FUNCTION audit_subject_active(text)');
    await q.query(`
      DO $$ BEGIN
        IF (SELECT btrim(p.prosrc) = 'SELECT false' FROM pg_proc p WHERE p.oid = to_regprocedure('audit_subject_held(text)')) THEN
          DROP FUNCTION audit_subject_held(text);
        END IF;
      END $$`);
    await q.query('DROP VIEW audit_events');
    await rewrite(
      q,
      FILER,
      FILED.map(([now, then]) => [then, now] as const),
    );
    await q.query('DROP INDEX audit_log_words');
    await q.query('DROP FUNCTION audit_words(text, text)');
    await q.query(WORDS_OF_EVENT);
    await q.query('CREATE INDEX audit_log_words ON audit_log USING gin (audit_words(payload))');
    await q.query('DROP FUNCTION audit_is_erased(text)');
    await q.query('ALTER TABLE audit_log DROP COLUMN names, DROP COLUMN salt');
    await q.query('ALTER TABLE audit_inbox DROP COLUMN client_ip, DROP COLUMN names, DROP COLUMN salt');
    await q.query(`
      CREATE VIEW audit_events AS${EVENTS}
          FROM audit_log l
        UNION ALL${EVENTS_WAITING(`(e #>> '{request,clientIp}')::inet`)}
          ${WAITING}`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          GRANT SELECT ON audit_events TO cadastre_app;
        END IF;
      END $$`);
    await q.query('DROP TABLE audit_subject_key');
    await q.query('DROP FUNCTION audit_subject_key_guard()');
  }
}

/** The function as it is, with other text in some places. */
async function rewrite(q: QueryRunner, name: string, changes: readonly (readonly [string, string])[]): Promise<void> {
  const [row] = (await q.query('SELECT pg_get_functiondef($1::regprocedure) AS source', [name])) as { source: string }[];
  let source = row?.source ?? '';
  for (const [from, to] of changes) {
    if (source.split(from).length !== 2) throw new Error(`${name} does not say once: ${from}`);
    source = source.replace(from, () => to);
  }
  await q.query(source);
}
