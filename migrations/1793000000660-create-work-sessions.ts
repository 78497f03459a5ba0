import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** Work sessions with their messages and executions. */
export class CreateWorkSessions1793000000660 implements MigrationInterface {
  name = 'CreateWorkSessions1793000000660';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE work_sessions (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL CONSTRAINT work_sessions_user REFERENCES users (id) ON DELETE CASCADE,
        thread_id text NOT NULL CONSTRAINT work_sessions_thread_form CHECK (thread_id ~ '^[A-Za-z0-9._:-]{1,128}$'),
        title text NOT NULL CONSTRAINT work_sessions_title_length CHECK (length(title) BETWEEN 1 AND 200),
        context jsonb NOT NULL DEFAULT '{}'
          CONSTRAINT work_sessions_context_object CHECK (jsonb_typeof(context) = 'object')
          CONSTRAINT work_sessions_context_size CHECK (octet_length(context::text) <= 65536),
        entries int NOT NULL DEFAULT 0,
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        CONSTRAINT work_sessions_thread_unique UNIQUE (user_id, thread_id)
      )`);
    // Somebody's sessions, the latest first.
    await q.query('CREATE INDEX work_sessions_latest ON work_sessions (user_id, id DESC)');
    await q.query(`
      CREATE TABLE work_session_entries (
        session_id uuid NOT NULL CONSTRAINT work_session_entries_session REFERENCES work_sessions (id) ON DELETE CASCADE,
        seq int NOT NULL CONSTRAINT work_session_entries_seq CHECK (seq > 0),
        kind text NOT NULL CONSTRAINT work_session_entries_kind CHECK (kind IN ('message', 'query_agent', 'agent_execution')),
        role text CONSTRAINT work_session_entries_role CHECK (role IN ('user', 'assistant', 'system', 'tool')),
        content text CONSTRAINT work_session_entries_content_length CHECK (length(content) <= 65536),
        data jsonb,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        by text NOT NULL,
        CONSTRAINT work_session_entries_key PRIMARY KEY (session_id, seq),
        CONSTRAINT work_session_entries_shape CHECK ((kind = 'message') = (role IS NOT NULL) AND (kind = 'message') = (content IS NOT NULL)
          AND (kind = 'message') = (data IS NULL))
      )`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE work_session_entries, work_sessions');
  }
}
