import { type KeyKind } from './key-format.js';

/** `pending` waits to be collected, `in_grace` was replaced and is good for a while yet; the last three have ended. */
export const keyStates = ['pending', 'active', 'in_grace', 'replaced', 'expired', 'revoked'] as const;
export type KeyState = (typeof keyStates)[number];

export type RevokeReason = 'revoked' | 'project_archived' | 'not_collected';

/** What a key is given, apart from its secret. */
export interface KeyTerms {
  name: string;
  permissions: string[];
  /** No limit of that kind when null. */
  vrfIds: string[] | null;
  networks: string[] | null;
  addressRanges: string[] | null;
  allowedOrigins: string[] | null;
  rotationDays: number | null;
}

/** A key as everyone but the check of credentials sees it. */
export interface Key extends KeyTerms {
  id: string;
  handle: string;
  kind: KeyKind;
  last4: string | null;
  ownerId: string;
  ownerName: string;
  projectId: string | null;
  state: KeyState;
  issuedAt: Date | null;
  expiresAt: Date;
  revokedAt: Date | null;
  revokeReason: RevokeReason | null;
  replaces: string | null;
  replacedBy: string | null;
  graceUntil: Date | null;
  lastUsedAt: Date | null;
  lastUsedAddress: string | null;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
}

/** What is stored of a secret. */
export interface StoredSecret {
  pepperKid: string;
  digest: Buffer;
  last4: string;
}

/** A key whose secret its taker sees now and never again. */
export interface IssuedKey {
  key: Key;
  secret: string;
}
