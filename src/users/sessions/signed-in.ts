import { AppError } from '../../kernel/app-error.js';
import { currentContext, type Principal } from '../../platform/context/request-context.js';

/** A person, by their session. */
export type SignedIn = Principal & { sessionId: string };

/** Whose request this is. Throws `person_required` for a key, which has no session. */
export function signedIn(): SignedIn {
  const principal = currentContext()?.principal;
  if (!principal) throw new Error('Nobody is signed in: the route must be declared with @Requires.');
  if (principal.sessionId === undefined)
    throw new AppError('forbidden', 'person_required', 'This is for people who signed in, not for keys.');
  return { ...principal, sessionId: principal.sessionId };
}
