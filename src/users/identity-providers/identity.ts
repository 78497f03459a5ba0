import { type Posix } from './provider.js';

/** An account's link to a person at a provider. */
export interface Identity {
  id: string;
  providerId: string;
  providerSlug: string;
  providerName: string;
  externalId: string;
  userId: string;
  name: string;
  posix: Posix | null;
  createdAt: Date;
  lastLoginAt: Date | null;
}
