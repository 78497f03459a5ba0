import { availableParallelism, cpus, totalmem } from 'node:os';
import { benchReads } from './reads.js';
import { openStage, type Stage } from './stage.js';
import { benchWrites } from './writes.js';

const PASSWORD = 'kestrel over the quiet harbour';
const PASSWORD_HASH = '$argon2id$v=19$m=19456,t=2,p=1$cPWsfUfmYdKX9rRPE5HuyQ$ZFApgBQ1fpKWx1TSdh76fr9xPPUe4Saazsp34SoaxiM';

/** `cadastre bench [reads] [writes]`: every figure beside a floor measured in the same run; only the ratios travel. */
export async function main(args: readonly string[]): Promise<number> {
  const chosen = (name: string): boolean => args.length === 0 || args.includes(name);
  console.log(
    `node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB; database fsync on`,
  );
  const stage = await openStage();
  try {
    const app = await stage.start('app');
    const bearer = await signIn(stage, app);
    if (chosen('reads')) await benchReads(stage, bearer, app, await stage.start('floor'));
    if (chosen('writes')) await benchWrites(stage, bearer, app, await stage.start('app', { BENCH_UNAUDITED: '1' }));
    return 0;
  } finally {
    await stage.close();
  }
}

async function signIn(stage: Stage, app: string): Promise<string> {
  await stage.sql(`INSERT INTO users (username, password_hash) VALUES ('bench', $1)`, [PASSWORD_HASH]);
  await stage.sql(
    `INSERT INTO user_roles (user_id, role_id, assigned_by) SELECT u.id, r.id, 'bench' FROM users u, roles r WHERE u.username = 'bench' AND r.name = 'admin'`,
  );
  const response = await fetch(`${app}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'bench', password: PASSWORD }),
  });
  const { accessToken } = (await response.json()) as { accessToken: string };
  return `Bearer ${accessToken}`;
}
