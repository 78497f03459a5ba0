import { Client } from 'pg';
import { EmbeddedPostgresError } from './embedded-error.js';
import { hasCode } from './files.js';
import type { Passwords } from './passwords.js';

const host = '127.0.0.1';

interface Target {
  port: number;
  user: string;
  password: string;
  database: string;
}

/** Makes the database, its owner and the application's login whatever of them exists, and sets their passwords. */
export async function provisionRoles(admin: Target, passwords: Passwords): Promise<void> {
  // ssl is named because PGSSLMODE in the environment would ask for what this server does not have.
  const client = new Client({ ...admin, host, ssl: false, application_name: 'cadastre setup' });
  // A connection that breaks also fails the statement that waits on it, which is where it is handled.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Passwords must not reach the server's log, whatever it was set to write.
    await client.query("SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1");
    await client.query(rolesSql(passwords));
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'cadastre'");
    if (rowCount === 0) await client.query('CREATE DATABASE cadastre OWNER cadastre_owner');
  } catch (cause) {
    if (!hasCode(cause, '28P01')) throw cause;
    throw new EmbeddedPostgresError(
      'The embedded PostgreSQL does not accept the password in its passwords.json.',
      'Delete that file: the next start makes new passwords and sets them in the cluster.',
      { cause },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** DDL takes no parameters; the passwords are base64url of our own making, so quoting them is enough. */
function rolesSql(passwords: Passwords): string {
  return `
    DO $$
    BEGIN
      IF to_regrole('cadastre_app') IS NULL THEN CREATE ROLE cadastre_app NOLOGIN; END IF;
      IF to_regrole('cadastre_owner') IS NULL THEN CREATE ROLE cadastre_owner; END IF;
      IF to_regrole('cadastre') IS NULL THEN CREATE ROLE cadastre; END IF;
    END
    $$;
    ALTER ROLE cadastre_owner LOGIN CREATEROLE PASSWORD '${passwords.owner}';
    ALTER ROLE cadastre LOGIN PASSWORD '${passwords.app}';
    GRANT cadastre_app TO cadastre_owner WITH ADMIN OPTION;
    GRANT cadastre_app TO cadastre;
  `;
}

export function urlOf({ port, user, password, database }: Target): string {
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}
