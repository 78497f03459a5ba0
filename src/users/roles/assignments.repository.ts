import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export interface Assignment {
  id: string;
  role: string;
  source: 'manual' | 'identity_provider';
  providerId: string | null;
  assignedBy: string;
  assignedAt: Date;
  networks: string[] | null;
  vrfIds: string[] | null;
  expiresAt: Date | null;
}

export interface NewAssignment {
  role: string;
  networks: readonly string[] | null;
  vrfIds: readonly string[] | null;
  expiresAt: Date | null;
  assignedBy: string;
}

const ASSIGNMENT = `
  SELECT ur.id, r.name AS role, ur.source, ur.provider_id AS "providerId", ur.assigned_by AS "assignedBy", ur.assigned_at AS "assignedAt",
         ur.networks::text[] AS networks, ur.vrf_ids::text[] AS "vrfIds", ur.expires_at AS "expiresAt"
    FROM user_roles ur
    JOIN roles r ON r.id = ur.role_id`;

explainConstraint('user_roles_once', () =>
  AppError.conflict('role_already_assigned', 'The user has this role by hand already; take that assignment away to change its limits.'),
);

@Injectable()
export class AssignmentsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** Also those that expired. */
  of(userId: string): Promise<Assignment[]> {
    return this.work.query<Assignment>(`${ASSIGNMENT} WHERE ur.user_id = $1 ORDER BY r.name, ur.id`, [userId]);
  }

  /** Of roles assigned by hand for good and without limits. */
  async plainRolesOf(userId: string): Promise<string[]> {
    const all = await this.of(userId);
    return all
      .filter(
        ({ source, networks, vrfIds, expiresAt }) => source === 'manual' && networks === null && vrfIds === null && expiresAt === null,
      )
      .map(({ role }) => role);
  }

  /** Takes the place of one by hand that expired. Throws `role_already_assigned`; undefined when there is no such role. */
  async insert(userId: string, { role, networks, vrfIds, expiresAt, assignedBy }: NewAssignment): Promise<Assignment | undefined> {
    await this.work.queryInside(
      `DELETE FROM user_roles ur USING roles r
        WHERE r.id = ur.role_id AND r.name = $2 AND ur.user_id = $1 AND ur.source = 'manual' AND ur.expires_at <= now()`,
      [userId, role],
    );
    const [made] = await this.work.queryInside<{ id: string }>(
      `INSERT INTO user_roles (user_id, role_id, assigned_by, networks, vrf_ids, expires_at)
       SELECT $1, r.id, $3, $4::cidr[], $5::uuid[], $6 FROM roles r WHERE r.name = $2
       RETURNING id`,
      [userId, role, assignedBy, networks, vrfIds, expiresAt],
    );
    const [assignment] = made ? await this.work.query<Assignment>(`${ASSIGNMENT} WHERE ur.id = $1`, [made.id]) : [];
    return assignment;
  }

  async delete(id: string): Promise<void> {
    await this.work.queryInside('DELETE FROM user_roles WHERE id = $1', [id]);
  }
}
