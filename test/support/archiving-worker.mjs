// A whole instance that archives what is due and kills itself in the middle: after the step into DIE_AFTER is done and before anybody knows, or right before
// it, with DIE_BEFORE. CLOCK_AHEAD_MS is how far its clock is from the real one.

import process from 'node:process';

/** The tests that start this have built it. */
const compiled = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { createApp } = await compiled('app.setup.js');
const { loadConfig } = await compiled('config/app-config.js');
const { ArchiveRepository } = await compiled('audit/archive/archive.repository.js');
const { Archiver } = await compiled('audit/archive/archiver.js');
const { RetentionRun } = await compiled('audit/archive/retention-run.js');

const { Clock } = await compiled('kernel/clock.js');

const { DIE_BEFORE, DIE_AFTER, CLOCK_AHEAD_MS = '0', ...variables } = process.env;
const app = await createApp(loadConfig(variables));
app.get(Clock).now = () => new Date(Date.now() + Number(CLOCK_AHEAD_MS));
await app.init();
const die = () => process.kill(process.pid, 'SIGKILL');
const archive = app.get(ArchiveRepository);
const step = archive.step.bind(archive);
// Inside of the transaction that takes the step: everything but the row is done.
archive.step = async (month, to, change) => {
  if (to === DIE_BEFORE) die();
  return step(month, to, change);
};
const archiver = app.get(Archiver);
const take = archiver.take.bind(archiver);
archiver.take = async (month, to, fate) => {
  const taken = await take(month, to, fate);
  if (to === DIE_AFTER) die();
  return taken;
};
await app.get(RetentionRun).run({ requestedBy: 'worker' });
await app.close();
console.log('done');
