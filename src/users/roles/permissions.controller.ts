import { Controller, Get } from '@nestjs/common';
import { permissions } from '../../platform/auth/permissions.js';
import { Requires } from '../../platform/auth/access.js';
import { RouteAccessList } from '../../platform/auth/route-access.js';
import { currentContext, type Principal } from '../../platform/context/request-context.js';
import { PermissionCatalogueView, type RightView } from './permission.dto.js';
import { routeLineOf } from './route-lines.js';
import { systemRoles } from './system-roles.js';

@Controller('permissions')
export class PermissionsController {
  constructor(private readonly routes: RouteAccessList) {}

  /** What rights there are, which role has which, which route asks for which, and what you may do yourself. */
  @Get()
  @Requires('profile:read')
  catalogue(): PermissionCatalogueView {
    return {
      permissions: [...permissions],
      roles: systemRoles.map(({ name, description, permissions: held }) => ({ name, description, permissions: [...held].sort() })),
      routes: this.routes.list().map(routeLineOf),
      mine: mine(currentContext()?.principal),
    };
  }
}

/** As the guard sees them: what a limited role gives of its holder alone is not limited. */
function mine(principal: Principal | undefined): RightView[] {
  return [...(principal?.permissions ?? [])].sort().map((permission) => {
    const scope = principal?.scopes?.get(permission);
    const limits = scope?.map(({ vrfIds, networks }) => ({ vrfIds: vrfIds && [...vrfIds], networks: networks && [...networks] }));
    return { permission, everywhere: !scope, limits: limits ?? [] };
  });
}
