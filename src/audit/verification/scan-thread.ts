/** A thread of a verification: reads one part of a log after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { Client } from 'pg';
import { WriterMac } from '../sealing/writer-mac.js';
import { PersonalCheck } from './personal-check.js';
import { scan } from './scan.js';
import { type ScanOrder } from './scanned.js';
import { type ScanThreadAnswer, type ScanThreadData } from './scanner.js';
import { beginSnapshot } from './snapshot.js';

const { url, snapshot, writers } = workerData as ScanThreadData;
const client = new Client({ connectionString: url, application_name: 'cadastre audit verify' });
const macs = new WriterMac(writers);
const ready = begin();

async function begin(): Promise<PersonalCheck> {
  await client.connect();
  await beginSnapshot(client, snapshot);
  return PersonalCheck.on(client);
}

async function answer(order: ScanOrder): Promise<ScanThreadAnswer> {
  try {
    return { scanned: await scan(client, order, macs, await ready) };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.on('message', (order: ScanOrder) => {
  void answer(order).then((said) => parentPort?.postMessage(said, 'scanned' in said ? [said.scanned.leaves.buffer as ArrayBuffer] : []));
});
