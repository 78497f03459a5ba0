/** A thread for the frames of archives: compresses and proves one after another. */
import { parentPort } from 'node:worker_threads';
import * as library from '@cloudpss/zstd/wasm';
import { type FrameOrder, pack, prove } from './frame-work.js';

parentPort?.on('message', (order: FrameOrder) => {
  if ('prove' in order) parentPort?.postMessage(prove(order.prove, library));
  else {
    const packed = pack(order.pack, library);
    // The memory of the rows goes back to whoever fills it; the rest is copied, since it may be a part of something.
    parentPort?.postMessage(packed, [packed.rows.buffer as ArrayBuffer]);
  }
});
