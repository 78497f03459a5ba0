// A worker process that may be killed: the compiled application, not listening, a handler whose effect is a row, and ticks of a schedule.
// Configured by the environment, as the application is; says "ready" on standard output; stops on SIGTERM.

import { clearInterval, setInterval } from 'node:timers';

/** The tests that start this have built it. */
const compiled = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { createApp } = await compiled('app.setup.js');
const { loadConfig } = await compiled('config/app-config.js');
const { UnitOfWork } = await compiled('platform/database/unit-of-work.js');
const { JobHandlers } = await compiled('platform/jobs/job-handlers.js');
const { JobSettings } = await compiled('platform/jobs/job.js');
const { Jobs } = await compiled('platform/jobs/jobs.js');

const app = await createApp(loadConfig(process.env));
await app.init();
const work = app.get(UnitOfWork);
const jobs = app.get(Jobs);
const leave = (job) => work.query('INSERT INTO effects (job_id, pid) VALUES ($1, $2)', [job.id, process.pid]);

app.get(JobSettings).leaseMs = 1000;
app.get(JobHandlers).register('test.effect', async (job) => {
  await leave(job);
  // Long enough for most kills to hit a handler between its effect and the commit.
  await work.query('SELECT pg_sleep(random() * 0.2)');
});
app.get(JobHandlers).register('test.tick', leave);

const every = Number(process.env.TEST_TICK_MS ?? 0);
const ticking = every > 0 && setInterval(() => void jobs.tick('test.tick', every), every / 4);

process.once('SIGTERM', () => {
  clearInterval(ticking);
  void app.close();
});
console.log('ready');
