import { AppError } from '../../kernel/app-error.js';
import { type AccountKind } from './account.js';
import { type UsersRepository } from './users.repository.js';

/** Throws `owner_of_person` for an owner of anything but a service, and `unknown_owner` for one who is no person. */
export async function requireOwner(users: UsersRepository, kind: AccountKind, ownerId: string | null): Promise<void> {
  if (ownerId === null) return;
  if (kind !== 'service') throw AppError.field('/ownerId', 'owner_of_person', 'Only a service account has an owner.');
  if (!(await users.isPerson(ownerId))) throw AppError.field('/ownerId', 'unknown_owner', 'There is no such person.');
}
