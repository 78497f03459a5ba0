import { AsyncLocalStorage } from 'node:async_hooks';

/** Who acts. Only a verified credential makes one; a header never does. */
export interface Principal {
  kind: 'user' | 'system' | 'cli';
  id: string;
  /** The name as it stood when the request began: audit keeps it after the account is gone. */
  name: string;
  sessionId?: string;
  permissions: ReadonlySet<string>;
  /** Signed in with a one-time password: nothing but changing it is permitted. */
  mustChangePassword?: boolean;
}

/** What is known of the call being served; a job or a command has one too. */
export interface RequestContext {
  requestId: string;
  principal?: Principal;
  /** The client as the trusted proxies report it; the peer itself when there are none. */
  clientAddress?: string;
  peerAddress?: string;
  userAgent?: string;
  method?: string;
  /** The route's pattern, not the URL: a label, free of secrets. */
  route?: string;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** Undefined outside of a request, job or command. */
export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}

/** The name that goes into created_by and its like. */
export function actorName(): string {
  return currentContext()?.principal?.name ?? 'system';
}
