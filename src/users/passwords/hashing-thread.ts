/** A thread that hashes passwords and compares them, behind whatever else has work to do. */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { hashSync, verifySync } from '@node-rs/argon2';
import { type HashingAnswer, type HashingOrder } from './hashing-threads.js';

// On Linux this is of the calling thread alone; elsewhere it would be of the whole process.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

parentPort?.on('message', (order: HashingOrder) => {
  parentPort?.postMessage(answerTo(order));
});

function answerTo(order: HashingOrder): HashingAnswer {
  try {
    return { value: 'phc' in order ? verifySync(order.phc, order.password) : hashSync(order.password, order.cost) };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}
