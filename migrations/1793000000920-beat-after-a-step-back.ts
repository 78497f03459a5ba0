import { type MigrationInterface, type QueryRunner } from 'typeorm';
import { changedSource } from './function-source.js';

const BEGIN = 'audit_seal_begin(int)';
const RETURNED = 'heartbeat boolean, at timestamp with time zone';
const NEWEST = `(SELECT c.at FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1))
            FROM audit_heads h ORDER BY h.class;`;

/** What the function says now, and what it says of a clock that was set back. */
const CHANGES: readonly (readonly [string, string])[] = [
  [`${RETURNED})`, `${RETURNED}, idle_seconds double precision)`],
  [
    'h.heartbeat_at < audit_clock() - make_interval(secs => heartbeat_seconds))',
    `h.heartbeat_at < audit_clock() - make_interval(secs => heartbeat_seconds)
                                                            OR h.heartbeat_at > audit_clock())`,
  ],
  [
    NEWEST,
    `c.at), extract(epoch FROM audit_clock() - coalesce(c.signed_at, c.at))::float8
            FROM audit_heads h
            LEFT JOIN LATERAL (SELECT * FROM audit_checkpoint c WHERE c.class = h.class ORDER BY c.number DESC LIMIT 1) c ON true
           ORDER BY h.class;`,
  ],
];

/**
 * A clock that is set back does not silence the trail until the old time is reached: a heartbeat that lies in the future is due. What is sealed
 * never goes back, so a checkpoint says beside its time when it was signed.
 */
export class BeatAfterAStepBack1793000000920 implements MigrationInterface {
  name = 'BeatAfterAStepBack1793000000920';

  async up(q: QueryRunner): Promise<void> {
    // In two steps, lest every row be written anew: of those before, it is not known.
    await q.query('ALTER TABLE audit_checkpoint ADD COLUMN signed_at timestamptz');
    await q.query('ALTER TABLE audit_checkpoint ALTER COLUMN signed_at SET DEFAULT audit_clock()');
    await rewrite(q, CHANGES);
  }

  async down(q: QueryRunner): Promise<void> {
    await rewrite(
      q,
      CHANGES.map(([now, then]) => [then, now] as const),
    );
    await q.query('ALTER TABLE audit_checkpoint DROP COLUMN signed_at');
  }
}

/** The function as it is, with other text in some places. What it returns cannot be replaced, so it goes and comes again. */
async function rewrite(q: QueryRunner, changes: readonly (readonly [string, string])[]): Promise<void> {
  const source = await changedSource(q, BEGIN, changes);
  await q.query(`DROP FUNCTION ${BEGIN}`);
  await q.query(source);
  await q.query(`REVOKE ALL ON FUNCTION ${BEGIN} FROM PUBLIC`);
  await q.query(`
    DO $$ BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cadastre_app') THEN
        GRANT EXECUTE ON FUNCTION ${BEGIN} TO cadastre_app;
      END IF;
    END $$`);
}
