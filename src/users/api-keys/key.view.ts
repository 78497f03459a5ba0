import { type FastifyReply } from 'fastify';
import { type Principal } from '../../platform/context/request-context.js';
import { etagOf } from '../../platform/http/etag.js';
import { prefixOf } from './key-format.js';
import { type CreateMyKey, type IntrospectionView, type IssuedKeyView, type KeyView } from './key.dto.js';
import { type IssuedKey, type Key, type KeyTerms } from './key.js';

export function viewOf(key: Key): KeyView {
  const { handle, issuedAt, expiresAt, revokedAt, graceUntil, lastUsedAt, createdAt, updatedAt, ...same } = key;
  return {
    ...same,
    prefix: prefixOf(key.kind, handle),
    issuedAt: issuedAt?.toISOString() ?? null,
    expiresAt: expiresAt.toISOString(),
    revokedAt: revokedAt?.toISOString() ?? null,
    graceUntil: graceUntil?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

/** The one answer with the secret in it: no cache may keep it (RFC 9111 §5.2.2.5). */
export function issuedView({ key, secret }: IssuedKey, reply: FastifyReply): IssuedKeyView {
  void reply.headers({ 'cache-control': 'no-store', etag: etagOf(key.version) });
  return Object.assign(viewOf(key), { secret });
}

/** What a body asks a key to have; absent is none. */
export function termsOf(body: CreateMyKey): KeyTerms {
  const { name, permissions, vrfIds = null, networks = null, addressRanges = null, allowedOrigins = null, rotationDays = null } = body;
  return { name, permissions, vrfIds, networks, addressRanges, allowedOrigins, rotationDays };
}

export function introspectionOf({ kind, id, name, ownerId, tokenId, permissions, scopes }: Principal): IntrospectionView {
  return {
    ...{ kind, id, name, ownerId: ownerId ?? null, tokenId: tokenId ?? null, permissions: [...permissions].sort() },
    scopes: [...(scopes ?? [])].map(([permission, grants]) => ({
      permission,
      grants: grants.map(({ vrfIds, networks }) => ({ vrfIds: vrfIds && [...vrfIds], networks: networks && [...networks] })),
    })),
  };
}
