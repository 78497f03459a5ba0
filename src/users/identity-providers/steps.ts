import { errorSummary } from '../../platform/jobs/job-error.js';
import { type TestStep } from './provider.js';

/** Takes one step after the other until one fails; each says what it found. */
export async function steps(list: readonly (readonly [name: string, take: () => Promise<string>])[]): Promise<TestStep[]> {
  const taken: TestStep[] = [];
  for (const [name, take] of list) {
    try {
      taken.push({ name, ok: true, detail: await take() });
    } catch (error) {
      taken.push({ name, ok: false, detail: reasonOf(error) });
      break;
    }
  }
  return taken;
}

/** The message, and that of what caused it: libraries wrap the network's word in their own. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${errorSummary(error.cause)}` : '';
  return `${errorSummary(error) || 'failed'}${cause}`;
}
