import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditTrail } from '../../audit/trail/audit-trail.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { asProgram } from '../as-program.js';
import { SessionDirectory } from '../sessions/session-directory.js';
import { type Role, RoleCatalogue } from './role-catalogue.js';
import { systemRoles } from './system-roles.js';

const KEEP_ROLES = `
  INSERT INTO roles (name, description, system)
  SELECT l.name, l.description, true FROM unnest($1::text[], $2::text[]) AS l (name, description)
  ON CONFLICT (name) DO UPDATE SET description = EXCLUDED.description, system = true
   WHERE (roles.description, roles.system) IS DISTINCT FROM (EXCLUDED.description, true)`;

const DROP_PERMISSIONS = `
  DELETE FROM role_permissions rp
   USING roles r
   WHERE r.id = rp.role_id AND r.system
     AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS l (role, permission)
                      WHERE l.role = r.name AND l.permission = rp.permission)`;

const ADD_PERMISSIONS = `
  INSERT INTO role_permissions (role_id, permission)
  SELECT r.id, l.permission
    FROM unnest($1::text[], $2::text[]) AS l (role, permission)
    JOIN roles r ON r.name = l.role
  ON CONFLICT DO NOTHING`;

/** A role that somebody holds stays, without permissions, so that nobody's assignment vanishes unseen. */
const DROP_ROLES = `
  DELETE FROM roles r
   WHERE r.system AND r.name <> ALL ($1::text[])
     AND NOT EXISTS (SELECT FROM user_roles ur WHERE ur.role_id = r.id)`;

/** Makes the database's system roles what this program says they are. */
@Injectable()
export class RoleSeeder implements OnApplicationBootstrap {
  constructor(
    private readonly work: UnitOfWork,
    private readonly roles: RoleCatalogue,
    private readonly directory: SessionDirectory,
    private readonly audit: AuditTrail,
  ) {}

  onApplicationBootstrap(): Promise<void> {
    return this.sync();
  }

  /** Changes nothing when all is as it should be; instances that start together take turns. */
  sync(): Promise<void> {
    const names = systemRoles.map((role) => role.name);
    const pairs = systemRoles.flatMap((role) => role.permissions.map((permission) => [role.name, permission] as const));
    const listed = [pairs.map(([role]) => role), pairs.map(([, permission]) => permission)];
    return asProgram(() =>
      this.work.run(async () => {
        await this.work.query(`SELECT pg_advisory_xact_lock(hashtextextended('cadastre system roles', 0))`);
        const before = byName(await this.roles.list());
        await this.work.query(KEEP_ROLES, [names, systemRoles.map((role) => role.description)]);
        await this.work.query(DROP_PERMISSIONS, listed);
        await this.work.query(ADD_PERMISSIONS, listed);
        await this.work.query(DROP_ROLES, [names]);
        const after = byName(await this.roles.list());
        await this.audit.record({
          action: 'roles.synchronized',
          category: 'governance',
          resource: { type: 'roles', id: 'system' },
          before,
          after,
        });
        this.work.afterCommit(() => {
          this.directory.forgetAll();
        });
      }),
    );
  }
}

function byName(roles: Role[]): Record<string, string[]> {
  return Object.fromEntries(roles.filter((role) => role.system).map((role) => [role.name, role.permissions]));
}
