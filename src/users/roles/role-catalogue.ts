import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export interface Role {
  id: string;
  name: string;
  description: string;
  system: boolean;
  permissions: string[];
  secondFactorRequired: boolean;
  version: number;
  createdBy: string;
}

export type RoleShape = Pick<Role, 'name' | 'description' | 'permissions' | 'secondFactorRequired'>;

const ROLE = `
  SELECT r.id, r.name, r.description, r.system, r.second_factor_required AS "secondFactorRequired", r.version, r.created_by AS "createdBy",
         ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id ORDER BY rp.permission) AS permissions
    FROM roles r`;

explainConstraint('roles_name_unique', () => AppError.conflict('role_name_taken', 'Another role has this name.'));
explainConstraint('user_roles_role', () => AppError.conflict('role_assigned', 'Somebody has this role; take it away from them first.'));

/** The roles there are, by name. */
@Injectable()
export class RoleCatalogue {
  constructor(private readonly work: UnitOfWork) {}

  list(): Promise<Role[]> {
    return this.work.query<Role>(`${ROLE} ORDER BY r.name`);
  }

  /** Throws `role_not_found`. */
  async byId(id: string): Promise<Role> {
    const [role] = await this.work.query<Role>(`${ROLE} WHERE r.id = $1`, [id]);
    if (!role) throw AppError.notFound('role', id);
    return role;
  }

  /** How many have the role, by whatever assignment. */
  async holders(id: string): Promise<number> {
    const [row] = await this.work.query<{ n: number }>('SELECT count(DISTINCT user_id)::int AS n FROM user_roles WHERE role_id = $1', [id]);
    return row?.n ?? 0;
  }

  /** Throws `role_name_taken`. */
  async insert({ name, description, permissions, secondFactorRequired }: RoleShape, createdBy: string): Promise<Role> {
    const [made] = await this.work.queryInside<{ id: string }>(
      'INSERT INTO roles (name, description, second_factor_required, created_by) VALUES ($1, $2, $3, $4) RETURNING id',
      [name, description, secondFactorRequired, createdBy],
    );
    if (!made) throw new Error('INSERT … RETURNING gave no row.');
    await this.setPermissions(made.id, permissions);
    return this.byId(made.id);
  }

  /** Throws `role_name_taken`. */
  async update(id: string, { name, description, permissions, secondFactorRequired }: RoleShape): Promise<Role> {
    await this.work.queryInside(
      'UPDATE roles SET name = $2, description = $3, second_factor_required = $4, version = version + 1 WHERE id = $1',
      [id, name, description, secondFactorRequired],
    );
    await this.setPermissions(id, permissions);
    return this.byId(id);
  }

  async delete(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM roles WHERE id = $1', [id]);
  }

  private async setPermissions(id: string, permissions: readonly string[]): Promise<void> {
    await this.work.queryInside('DELETE FROM role_permissions WHERE role_id = $1 AND permission <> ALL ($2::text[])', [id, permissions]);
    await this.work.queryInside(
      'INSERT INTO role_permissions (role_id, permission) SELECT $1, p FROM unnest($2::text[]) AS p ON CONFLICT DO NOTHING',
      [id, permissions],
    );
  }
}
