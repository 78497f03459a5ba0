/** A thread that finishes drafts of events. */
import { parentPort } from 'node:worker_threads';
import { finishedDraft } from '../trail/draft.js';
import { WriterMac } from '../sealing/writer-mac.js';
import { packed } from '../trail/inbox-rows.js';
import { type FinishingOrder } from './finishing.js';

parentPort?.on('message', ({ drafts, writer }: FinishingOrder) => {
  const mac = new WriterMac([writer]);
  parentPort?.postMessage(packed(drafts.map((draft) => finishedDraft(draft, mac))));
});
