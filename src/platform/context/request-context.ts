import { AsyncLocalStorage } from 'node:async_hooks';

/** One grant's limits; null is no limit of that kind. */
export interface NetworkGrant {
  vrfIds: readonly string[] | null;
  /** CIDRs. */
  networks: readonly string[] | null;
}

/** Where a permission holds: wherever one of the grants does. */
export type NetworkScope = readonly NetworkGrant[];

/** Whose rate limit a request counts towards. */
export type LimitClass = 'admin' | 'user' | 'key' | 'public_key' | 'anonymous';

/** Who acts. Only a verified credential makes one; a header never does. */
export interface Principal {
  kind: 'user' | 'service' | 'api_key' | 'tenant_token' | 'system' | 'cli';
  /** The account's; the key's for a key. */
  id: string;
  /** The name as it stood when the request began: audit keeps it after the account is gone. */
  name: string;
  sessionId?: string;
  /** The account a key acts for. */
  ownerId?: string;
  /** The token that was derived from the key, when it was one that came. */
  tokenId?: string;
  permissions: ReadonlySet<string>;
  /** The permissions that hold in some networks only. */
  scopes?: ReadonlyMap<string, NetworkScope>;
  limitClass?: LimitClass;
  /** How the session was opened or last confirmed, as in RFC 8176: `pwd`, `otp`, `swk`, `ldap`, `oidc`, `saml`. */
  methods?: readonly string[];
  /** When identity was last proven, for what asks for a recent proof. */
  authenticatedAt?: Date;
  /** Signed in with a one-time password: nothing but changing it is permitted. */
  mustChangePassword?: boolean;
  /** A role asks for a second factor that this session does not have: nothing but setting one up or giving it is permitted. */
  secondFactorRequired?: boolean;
}

/** What is known of the call being served; a job or a command has one too. */
export interface RequestContext {
  requestId: string;
  principal?: Principal;
  /** The networks the permission of this route is limited to; undefined when it holds everywhere. */
  scope?: NetworkScope;
  /** The client as the trusted proxies report it; the peer itself when there are none. */
  clientAddress?: string;
  peerAddress?: string;
  userAgent?: string;
  /** X-Forwarded-For as it came, whether it was believed or not. */
  forwardedFor?: string;
  method?: string;
  /** The route's pattern, not the URL: a label, free of secrets. */
  route?: string;
  /** performance.now() when the request came; absent for what is no request. */
  startedAt?: number;
  /** Statements it has sent to the database so far. */
  queries?: number;
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
