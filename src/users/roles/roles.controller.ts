import { Controller, Get } from '@nestjs/common';
import { Requires } from '../../platform/auth/access.js';
import { RoleCatalogue } from './role-catalogue.js';
import { RoleList } from './role.dto.js';

@Controller('roles')
export class RolesController {
  constructor(private readonly roles: RoleCatalogue) {}

  /** All roles and what each permits. */
  @Get()
  @Requires('role:read')
  async list(): Promise<RoleList> {
    return { items: await this.roles.list() };
  }
}
