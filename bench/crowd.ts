/** A thread in which a crowd signs in again and again, so that whoever measures beside it is not held up by it. */
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** People of the names `<prefix>1` to `<prefix><people>`, all with one password. */
export interface Crowd {
  url: string;
  people: number;
  prefix: string;
  password: string;
}

export interface CrowdAnswers {
  in: number;
  busy: number;
  other: number;
}

const { url, people, prefix, password } = workerData as Crowd;
const answers: CrowdAnswers = { in: 0, busy: 0, other: 0 };
let over = false;
parentPort?.once('message', () => (over = true));

async function comeAgain(username: string): Promise<void> {
  while (!over) {
    const answer = await fetch(`${url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    await answer.arrayBuffer();
    answers[answer.status === 200 ? 'in' : answer.status === 503 ? 'busy' : 'other']++;
    // As a client does that reads the answer; one that does not is for the rate limit of its address.
    if (answer.status === 503) await delay(Number(answer.headers.get('retry-after')) * 1000 * (1 + Math.random()));
  }
}

await Promise.all(Array.from({ length: people }, (_, n) => comeAgain(`${prefix}${n + 1}`)));
parentPort?.postMessage(answers);
parentPort?.close();
