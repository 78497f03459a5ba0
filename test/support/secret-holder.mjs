// The compiled server with one more setting, a secret: what it prints shows whether the secret stays one.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The tests that start this have built it. */
const compiled = (file) => import(pathToFileURL(resolve(import.meta.dirname, '../../dist/src', file)).href);
const { defineSetting } = await compiled('platform/settings/setting.js');

defineSetting({ key: 'test.connectorPassword', type: 'secret', text: 'Known to tests alone.' });
await compiled('main.js');
