import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { type Permission, personal } from './permissions.js';

export type Access = { kind: 'public'; why: string } | { kind: 'permission'; permission: Permission };

export const ACCESS = Symbol('access');

/** The route needs this permission; it also shows in the OpenAPI document. */
export function Requires(permission: Permission): MethodDecorator {
  return applyDecorators(
    SetMetadata(ACCESS, { kind: 'permission', permission } satisfies Access),
    ApiBearerAuth(),
    ...(personal.has(permission) ? [] : [ApiSecurity('key')]),
    ApiSecurity('console'),
    ApiExtension('x-permission', permission),
  );
}

/** Anyone may call the route; the reason is for the reviewer. */
export function Public(why: string): MethodDecorator {
  return applyDecorators(SetMetadata(ACCESS, { kind: 'public', why } satisfies Access), ApiSecurity({}), ApiExtension('x-public', why));
}
