// A whole instance that writes events and seals them without a pause, for killing. Says "ready" on standard output.

import process from 'node:process';

/** The tests that start this have built it. */
const compiled = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { createApp } = await compiled('app.setup.js');
const { loadConfig } = await compiled('config/app-config.js');
const { AuditTrail } = await compiled('audit/trail/audit-trail.js');
const { SealingSettings } = await compiled('audit/sealing/sealing-settings.js');
const { UnitOfWork } = await compiled('platform/database/unit-of-work.js');

const app = await createApp(loadConfig(process.env));
Object.assign(app.get(SealingSettings), { everyMs: 1, batch: 40 });
await app.init();
const work = app.get(UnitOfWork);
const trail = app.get(AuditTrail);
console.log('ready');
for (let n = 0; ; n++)
  await work.run(async () => {
    await work.query('INSERT INTO written (pid, n) VALUES ($1, $2)', [process.pid, n]);
    await trail.record({ action: 'test.written', category: 'ipam', resource: { type: 'written', id: `${process.pid}/${n}` } });
  });
