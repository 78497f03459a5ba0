import { currentContext, type Principal } from '../../platform/context/request-context.js';

/** A person, by their session. */
export type SignedIn = Principal & { sessionId: string };

/** Whose request this is. Throws where the caller is nobody, or not a person. */
export function signedIn(): SignedIn {
  const principal = currentContext()?.principal;
  if (principal?.sessionId === undefined) throw new Error('Nobody is signed in: the route must be declared with @Requires.');
  return { ...principal, sessionId: principal.sessionId };
}
