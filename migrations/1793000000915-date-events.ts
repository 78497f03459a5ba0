import { type MigrationInterface, type QueryRunner } from 'typeorm';

const FILED = `
        SELECT l.id, l.class, l.occurred_at, l.actor_id, l.action, l.category, l.severity, l.outcome, l.resource_type, l.resource_id,
               l.client_ip, l.correlation_id, l.flags, l.payload, l.leaf, true AS filed, l.seq, l.names`;
const WAITING = `
        SELECT i.id, i.class, coalesce((e ->> 'at')::timestamptz, i.recorded_at), e #>> '{actor,id}', e ->> 'action', e ->> 'category', e ->> 'severity', e ->> 'outcome',
               e #>> '{resource,type}', e #>> '{resource,id}', coalesce(i.client_ip, (e #>> '{request,clientIp}')::inet), e ->> 'correlationId',
               ARRAY (SELECT jsonb_array_elements_text(coalesce(e -> 'flags', '[]'))), i.payload, i.leaf, false, NULL, i.names`;
const INBOX = 'FROM audit_inbox i CROSS JOIN LATERAL (SELECT audit_readable(i.payload) AS e) p';

/** Events say when they were sealed, so that whoever asks for new ones need not visit the months before: the log is partitioned by it. */
export class DateEvents1793000000915 implements MigrationInterface {
  name = 'DateEvents1793000000915';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE OR REPLACE VIEW audit_events AS${FILED}, l.sealed_at
          FROM audit_log l
        UNION ALL${WAITING}, NULL
          ${INBOX}`);
  }

  async down(q: QueryRunner): Promise<void> {
    // A view that is replaced cannot lose a column.
    await q.query('DROP VIEW audit_events');
    await q.query(`
      CREATE VIEW audit_events AS${FILED}
          FROM audit_log l
        UNION ALL${WAITING}
          ${INBOX}`);
    await q.query(`
      DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
          REVOKE ALL ON audit_events FROM cadastre_app;
          GRANT SELECT ON audit_events TO cadastre_app;
        END IF;
      END $$`);
  }
}
