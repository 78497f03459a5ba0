import { availableParallelism, cpus, totalmem } from 'node:os';
import { benchArchive } from './archive.js';
import { benchAuditCost } from './audit-cost.js';
import { benchAuditQuery } from './audit-query.js';
import { benchAuditVerify } from './audit-verify.js';
import { benchIdentity } from './identity.js';
import { makeAdministrator, signIn } from './people.js';
import { benchReading } from './reading.js';
import { benchReads } from './reads.js';
import { benchSealing } from './sealing.js';
import { openStage } from './stage.js';
import { benchWrites } from './writes.js';

/** `cadastre bench [reads] [writes] [identity] [sealing] [archive] [reading] [audit-cost] [audit-query] [audit-verify]`: every figure beside a floor measured in the same run; only the ratios travel. */
export async function main(args: readonly string[]): Promise<number> {
  const chosen = (name: string): boolean => args.length === 0 || args.includes(name);
  console.log(
    `node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB; database fsync on`,
  );
  const stage = await openStage();
  try {
    const app = await stage.start('app');
    await makeAdministrator(stage, 'bench');
    const bearer = await signIn(app, 'bench');
    if (chosen('reads')) await benchReads(stage, bearer, app, await stage.start('floor'));
    if (chosen('writes')) await benchWrites(stage, bearer, app, await stage.start('app', { BENCH_UNAUDITED: '1' }));
    if (chosen('identity')) await benchIdentity(stage, bearer, app, await stage.start('floor'));
    if (chosen('sealing')) await benchSealing(stage);
    if (chosen('archive')) await benchArchive();
    if (chosen('reading')) await benchReading(stage, bearer);
    if (chosen('audit-cost')) await benchAuditCost(stage, bearer, app, await stage.start('app', { BENCH_UNAUDITED: '1' }));
    // Five million events take minutes to load: only when asked for.
    if (args.includes('audit-verify')) await benchAuditVerify();
    if (args.includes('audit-query')) await benchAuditQuery(stage, app);
    return 0;
  } finally {
    await stage.close();
  }
}
