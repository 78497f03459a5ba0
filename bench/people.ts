import { type Stage } from './stage.js';

export const PASSWORD = 'kestrel over the quiet harbour';
const PASSWORD_HASH = '$argon2id$v=19$m=19456,t=2,p=1$cPWsfUfmYdKX9rRPE5HuyQ$ZFApgBQ1fpKWx1TSdh76fr9xPPUe4Saazsp34SoaxiM';

/** An administrator, past the application. */
export async function makeAdministrator(stage: Stage, username: string): Promise<void> {
  await stage.sql(`INSERT INTO users (username, password_hash) VALUES ($1, $2)`, [username, PASSWORD_HASH]);
  await stage.sql(
    `INSERT INTO user_roles (user_id, role_id, assigned_by) SELECT u.id, r.id, 'bench' FROM users u, roles r WHERE u.username = $1 AND r.name = 'admin'`,
    [username],
  );
}

/** The value of the header `Authorization` after a login. */
export async function signIn(app: string, username: string): Promise<string> {
  const response = await fetch(`${app}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  const { accessToken } = (await response.json()) as { accessToken: string };
  return `Bearer ${accessToken}`;
}
