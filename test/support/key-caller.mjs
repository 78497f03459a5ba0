// The compiled application, listening; told to stop, or killed, by whoever started it. Says where it listens on standard output.

import { once } from 'node:events';
import process from 'node:process';

/** The tests that start this have built it. */
const compiled = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const { createApp } = await compiled('app.setup.js');
const { loadConfig } = await compiled('config/app-config.js');

const app = await createApp(loadConfig(process.env));
await app.listen(0, '127.0.0.1');
console.log(`listening at ${await app.getUrl()}`);
await once(process, 'SIGTERM');
await app.close();
