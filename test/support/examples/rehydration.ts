import { type Builders } from '../builders.js';
import { type ExampleCall, type RouteExample } from '../route-example.js';

const PERIODS = '/api/v1/audit/archive/periods';
const RESTORED = `${PERIODS}/:log/:period/rehydrate`;
let months = 0;

/** A month of long ago that is in an archive alone, or is in none. */
async function aMonth(make: Builders, archived = true): Promise<string> {
  const month = `19${String(10 + Math.floor(months / 12))}-${String((months++ % 12) + 1).padStart(2, '0')}`;
  await make.t.sql(
    `INSERT INTO audit_period (class, period, first_seq, last_seq, rows, bytes, state, root, closed_at)
     VALUES (7, $1::date, 0, 0, 1, 1, 'closed', decode(repeat('00', 32), 'hex'), now())`,
    [`${month}-01`],
  );
  if (archived)
    await make.t.sql(
      `INSERT INTO audit_archive (class, period, state, object_key, manifest) VALUES (7, $1::date, 'dropped', 'an object', 'its manifest')`,
      [`${month}-01`],
    );
  return month;
}

const pathOf = (month: string): string => `${PERIODS}/governance/${month}/rehydrate`;
const rehydrate = async (make: Builders, archived = true): Promise<ExampleCall> => ({
  path: pathOf(await aMonth(make, archived)),
  body: { days: 3 },
});

async function aCopy(make: Builders): Promise<ExampleCall> {
  const month = await aMonth(make);
  await make.t.sql(
    `INSERT INTO audit_rehydration (class, period, state, expires_at, rows, requested_by) VALUES (7, $1::date, 'ready', now() + interval '1 day', 0, 'test')`,
    [`${month}-01`],
  );
  return { path: pathOf(month) };
}

export const rehydrationExamples: Record<string, RouteExample> = {
  [`POST ${RESTORED}`]: {
    works: rehydrate,
    leaves: [{ action: 'audit.rehydration_requested', category: 'access', on: 'audit_period', keeps: 'nothing' }],
    fails: { status: 409, call: (make) => rehydrate(make, false) },
  },
  [`DELETE ${RESTORED}`]: {
    works: aCopy,
    leaves: [{ action: 'audit.rehydration_ended', category: 'meta', on: 'audit_period', keeps: 'nothing' }],
    fails: 'what is not back is 404; one that is being read back just then is taken away too',
  },
};
