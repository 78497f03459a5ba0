import { v7 as uuidv7 } from 'uuid';
import { currentContext, runInContext } from '../platform/context/request-context.js';

/** Runs what the program does of its own accord, so that the trail names it as the actor; whoever acts already stays the actor. */
export function asProgram<T>(work: () => T): T {
  const context = currentContext();
  if (context?.principal) return work();
  const principal = { kind: 'system', id: 'system', name: 'system', permissions: new Set<string>() } as const;
  return runInContext({ requestId: uuidv7(), ...context, principal }, work);
}
