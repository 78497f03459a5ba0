import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** From `said` to its words: whole (web01.example.net) and in parts (web01, example, net). A word of more than 200 characters would be an error. */
export const WORDS_IN = String.raw`
    said := ' ' || translate(said, E'"{}[](),;<>=\'!?|\\\t\n\r', '                    ') || ' ';
    IF said ~ '\S{201}' THEN
      said := regexp_replace(said, '(\S{200})\S+', '\1', 'g');
    END IF;
    words := string_to_array(translate(said, '.:/@_-+*&%$#', '            ')
                             || regexp_replace(said, '(?<= )[-.:/@_+*&%$#]+|[-.:/@_+*&%$#]+(?= )', '', 'g'), ' ');`;

export const WORDS_OF_EVENT = `
  CREATE FUNCTION audit_words(payload text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 10000 AS $$
  DECLARE
    event jsonb;
    said text;
    words text[];
  BEGIN
    IF NOT pg_input_is_valid(payload, 'jsonb') THEN
      RETURN '';
    END IF;
    event := payload::jsonb;
    said := lower(concat_ws(' ', event ->> 'action', left(event #>> '{resource,name}', 300), left(event #>> '{resource,id}', 300),
                            left(event #>> '{actor,name}', 300), event #>> '{actor,ownerId}', left((event -> 'detail')::text, 4000)));${WORDS_IN}
    RETURN array_to_tsvector(array_remove(array_remove(words || (chr(1) || 'actor:' || lower(left(event #>> '{actor,name}', 190))), ''), NULL));
  END $$`;

/** What the trail is asked by beyond its columns, and what is noticed in it. */
export class AskAudit1793000000720 implements MigrationInterface {
  name = 'AskAudit1793000000720';

  async up(q: QueryRunner): Promise<void> {
    // The words of an event: of its action, the resource's and the actor's name, and the first 4,000 characters of its detail; whole
    // (web01.example.net) and in parts (web01, example, net). The actor's name is a word of its own as a whole, so that one index serves both.
    // The cost is what it takes beside a comparison: otherwise the planner would rather compute it for a whole log than look into its index.
    // Immutable in fact: it depends on its argument only. It must name its schema: ANALYZE runs it without a search path.
    await q.query(WORDS_OF_EVENT);
    // Each takes about a minute for five million events, during which nothing is filed; writing the inbox goes on.
    // Words, and the actor's name as it was.
    await q.query('CREATE INDEX audit_log_words ON audit_log USING gin (audit_words(payload))');
    // From an address or a network, newest first.
    await q.query('CREATE INDEX audit_log_client ON audit_log (client_ip, id DESC)');
    // By compliance flag: few events have one.
    await q.query(`CREATE INDEX audit_log_flags ON audit_log USING gin (flags) WHERE flags <> '{}'`);

    // Every action there is in the log, so that a pattern becomes a list that an index can answer.
    await q.query('CREATE TABLE audit_actions (action text PRIMARY KEY)');
    await q.query('INSERT INTO audit_actions SELECT DISTINCT l.action FROM audit_log l');
    await q.query(`
      CREATE FUNCTION audit_note_actions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
      BEGIN
        INSERT INTO audit_actions
        SELECT DISTINCT f.action FROM filed f WHERE NOT EXISTS (SELECT FROM audit_actions a WHERE a.action = f.action) ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$`);
    await q.query(
      'CREATE TRIGGER audit_log_note_actions AFTER INSERT ON audit_log REFERENCING NEW TABLE AS filed FOR EACH STATEMENT EXECUTE FUNCTION audit_note_actions()',
    );

    // What of a rule an installation may set; what it looks for is in the program.
    await q.query(`
      CREATE TABLE audit_rules (
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT audit_rules_key PRIMARY KEY,
        name text NOT NULL CONSTRAINT audit_rules_name UNIQUE,
        enabled boolean NOT NULL DEFAULT true,
        threshold int NOT NULL CONSTRAINT audit_rules_threshold CHECK (threshold BETWEEN 1 AND 1000000),
        window_seconds int NOT NULL CONSTRAINT audit_rules_window CHECK (window_seconds BETWEEN 60 AND 86400),
        cooldown_seconds int NOT NULL CONSTRAINT audit_rules_cooldown CHECK (cooldown_seconds <= 2592000),
        severity text NOT NULL CONSTRAINT audit_rules_severity CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
        version int NOT NULL DEFAULT 1,
        -- Otherwise the same events would raise a second alert.
        CONSTRAINT audit_rules_cooldown_covers_window CHECK (cooldown_seconds >= window_seconds)
      )`);
    await q.query(`
      INSERT INTO audit_rules (name, threshold, window_seconds, cooldown_seconds, severity)
      VALUES ('failed_logins', 10, 600, 3600, 'medium'), ('failed_logins_of_address', 50, 600, 3600, 'high'), ('denials', 5, 300, 3600, 'medium'),
             ('mass_deletion', 50, 600, 3600, 'high'), ('trail_exported', 1, 600, 3600, 'medium'), ('trail_read', 500, 3600, 14400, 'low'),
             ('rights_changed', 20, 3600, 14400, 'medium'), ('second_factors_removed', 3, 3600, 14400, 'high'),
             ('keys_made', 100, 3600, 14400, 'medium'), ('session_stolen', 1, 600, 3600, 'high')`);
    await q.query(`
      CREATE TABLE audit_alerts (
        id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT audit_alerts_key PRIMARY KEY,
        rule text NOT NULL CONSTRAINT audit_alerts_rule REFERENCES audit_rules (name),
        subject text NOT NULL,
        severity text NOT NULL,
        events int NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT now(),
        -- While it lasts the rule raises nothing else about the subject.
        quiet tstzrange NOT NULL,
        state text NOT NULL DEFAULT 'open' CONSTRAINT audit_alerts_state CHECK (state IN ('open', 'acknowledged', 'resolved', 'suppressed')),
        note text NOT NULL DEFAULT '',
        acknowledged_at timestamptz,
        acknowledged_by text,
        closed_at timestamptz,
        closed_by text,
        version int NOT NULL DEFAULT 1,
        CONSTRAINT audit_alerts_once UNIQUE (rule, subject, quiet WITHOUT OVERLAPS)
      )`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_actions FROM cadastre_app;
          GRANT SELECT ON audit_actions TO cadastre_app;
        END IF;
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE audit_alerts, audit_rules');
    await q.query('DROP TRIGGER audit_log_note_actions ON audit_log');
    await q.query('DROP FUNCTION audit_note_actions()');
    await q.query('DROP TABLE audit_actions');
    await q.query('DROP INDEX audit_log_words, audit_log_client, audit_log_flags');
    await q.query('DROP FUNCTION audit_words(text)');
  }
}
