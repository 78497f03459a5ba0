import { v7 as uuidv7 } from 'uuid';
import { currentContext, runInContext } from '../../platform/context/request-context.js';
import { type Provider } from './provider.js';

/** Runs what a provider brings about, whoever's request it is: the trail names the provider as the actor. */
export function asProvider<T>({ id, slug }: Pick<Provider, 'id' | 'slug'>, work: () => T): T {
  const principal = { kind: 'system', id, name: `provider ${slug}`, permissions: new Set<string>() } as const;
  return runInContext({ requestId: uuidv7(), ...currentContext(), principal }, work);
}
