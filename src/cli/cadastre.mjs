#!/usr/bin/env node
// The front door. Plain JavaScript on Node's own library, as its neighbours are, because a fresh clone has nothing else:
// it installs and builds what is missing or out of date, then hands over to the compiled program in the same process.
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { prepare, PrepareError } from './prepare.mjs';

const program = new URL('../../dist/src/cli/main.js', import.meta.url);

if (isMain()) {
  try {
    await start();
  } catch (error) {
    const expected = error instanceof PrepareError || error?.remedy;
    console.error(expected ? error.message : error);
    // 1 would say that the log was tampered with.
    process.exitCode = process.argv[2] === 'audit' && process.argv.includes('verify') ? 70 : 1;
  }
}

async function start() {
  await prepare({ build: true });
  if (!existsSync(program))
    throw new PrepareError(`The compiled program, ${fileURLToPath(program)}, is missing.\nRun \`npm run build\` where the sources are.`);
  process.setSourceMapsEnabled(true);
  // Who reads only the beginning of what is printed does not end what is done.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2));
}

function isMain() {
  try {
    return realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}
