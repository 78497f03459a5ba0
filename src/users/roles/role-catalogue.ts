import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

export interface Role {
  name: string;
  description: string;
  system: boolean;
  permissions: string[];
}

/** The roles there are, by name. */
@Injectable()
export class RoleCatalogue {
  constructor(private readonly work: UnitOfWork) {}

  list(): Promise<Role[]> {
    return this.work.query<Role>(`
      SELECT r.name, r.description, r.system,
             ARRAY (SELECT rp.permission FROM role_permissions rp WHERE rp.role_id = r.id ORDER BY rp.permission) AS permissions
        FROM roles r
       ORDER BY r.name`);
  }
}
