import { type AppConfig } from '../config/app-config.js';
import { FirstAdministrator, type Invitation } from '../users/setup/first-administrator.js';
import { insideApplication } from './application.js';
import { withOwner } from './database.js';

/** Makes the first administrator of an empty register, before anyone can reach it; undefined when there are users already. */
export async function createFirstAdministrator(config: AppConfig): Promise<Invitation | undefined> {
  // Asked first, because an application only to ask would cost every start a second.
  const users = await withOwner(config, (owner) => owner.query<object[]>('SELECT FROM users LIMIT 1'));
  if (users.length > 0) return undefined;
  return insideApplication(config, (app) => app.get(FirstAdministrator).createIfNone());
}
