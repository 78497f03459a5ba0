/** The product as it runs, except that BENCH_UNAUDITED=1 leaves the trail out, to weigh it. */
import { createApp } from '../src/app.setup.js';
import { AuditTrail } from '../src/audit/trail/audit-trail.js';
import { loadConfig } from '../src/config/app-config.js';

const { BENCH_UNAUDITED, ...variables } = process.env;
const config = loadConfig(variables);
const app = await createApp(config);
if (BENCH_UNAUDITED === '1') app.get(AuditTrail).record = () => Promise.resolve();
await app.listen(config.http.port, config.http.host);
process.send?.(await app.getUrl());
process.on('message', () => process.send?.(process.cpuUsage()));
