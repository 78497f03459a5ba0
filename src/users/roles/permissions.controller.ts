import { Controller, Get } from '@nestjs/common';
import { permissions } from '../../platform/auth/permissions.js';
import { Requires } from '../../platform/auth/access.js';
import { RouteAccessList } from '../../platform/auth/route-access.js';
import { Authority } from './authority.js';
import { PermissionCatalogueView, type RightView } from './permission.dto.js';
import { routeLineOf } from './route-lines.js';
import { systemRoles } from './system-roles.js';

@Controller('permissions')
export class PermissionsController {
  constructor(
    private readonly routes: RouteAccessList,
    private readonly authority: Authority,
  ) {}

  /** What rights there are, which role has which, which route asks for which, and what you may do yourself. */
  @Get()
  @Requires('profile:read')
  async catalogue(): Promise<PermissionCatalogueView> {
    return {
      permissions: [...permissions],
      roles: systemRoles.map(({ name, description, permissions: held }) => ({ name, description, permissions: [...held].sort() })),
      routes: this.routes.list().map(routeLineOf),
      mine: await this.mine(),
    };
  }

  private async mine(): Promise<RightView[]> {
    const rights = [...(await this.authority.ofCaller())].sort(([a], [b]) => a.localeCompare(b));
    return rights.map(([permission, where]) => ({
      permission,
      everywhere: where === 'everywhere',
      limits:
        where === 'everywhere'
          ? []
          : where.map(({ vrfIds, networks }) => ({ vrfIds: vrfIds && [...vrfIds], networks: networks && [...networks] })),
    }));
  }
}
