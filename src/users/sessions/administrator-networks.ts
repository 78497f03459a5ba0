import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { AppError } from '../../kernel/app-error.js';
import { isAmong, parseIp } from '../../kernel/ip-address.js';
import { currentContext } from '../../platform/context/request-context.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ADMINISTERS } from './session-life.js';
import { SignInSettings } from './sign-in-settings.js';

/** Where administrators may be: in one of the permitted networks when there are any, and in none of the denied ones. */
@Injectable()
export class AdministratorNetworks {
  constructor(
    private readonly work: UnitOfWork,
    private readonly settings: SignInSettings,
    private readonly audit: AuditTrail,
  ) {}

  /** Call before the unit of work that signs them in: the event has to stay when the refusal rolls that back. Throws `network_refused`. */
  async require(user: { id: string; username: string }): Promise<void> {
    if (isPermitted(this.settings, currentContext()?.clientAddress)) return;
    const [row] = await this.work.query<{ administers: boolean }>(
      `SELECT ${ADMINISTERS} AS administers FROM (SELECT $1::uuid AS user_id) s`,
      [user.id],
    );
    if (row?.administers !== true) return;
    await this.audit.recordAlone({
      action: 'login.network_refused',
      category: 'access',
      outcome: 'denied',
      severity: 'high',
      resource: { type: 'user', id: user.id, name: user.username },
      actor: { kind: 'user', id: user.id, name: user.username },
    });
    throw networkRefused();
  }
}

/** Throws `network_refused`. */
export function requireAdministratorNetwork(settings: SignInSettings, address: string | undefined): void {
  if (!isPermitted(settings, address)) throw networkRefused();
}

function isPermitted({ administratorNetworks: allowed, administratorNetworksDenied: denied }: SignInSettings, address = ''): boolean {
  return (allowed.length === 0 || within(address, allowed)) && (denied.length === 0 || !within(address, denied));
}

function networkRefused(): AppError {
  return new AppError('forbidden', 'network_refused', 'Administrators may not work from this network.');
}

function within(address: string, networks: readonly string[]): boolean {
  const ip = parseIp(address);
  return ip !== undefined && isAmong(ip, networks);
}
