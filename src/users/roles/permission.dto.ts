import { ApiProperty } from '@nestjs/swagger';

export class SystemRoleView {
  name!: string;
  description!: string;
  permissions!: string[];
}

export class RouteLineView {
  method!: string;
  path!: string;
  /** Absent on a public route. */
  permission?: string;
  /** Why anyone may call it. */
  public?: string;
  /** The system roles that have the permission; absent on a public route. */
  roles?: string[];
}

export class LimitView {
  /** Null: in all VRFs. */
  @ApiProperty({ type: String, isArray: true, nullable: true })
  vrfIds!: string[] | null;
  /** Null: in all networks. */
  @ApiProperty({ type: String, isArray: true, nullable: true })
  networks!: string[] | null;
}

export class RightView {
  permission!: string;
  everywhere!: boolean;
  /** Where it holds otherwise: wherever one of these does. */
  limits!: LimitView[];
}

export class PermissionCatalogueView {
  /** Every right there is. */
  permissions!: string[];
  /** The roles that the program ships. */
  roles!: SystemRoleView[];
  routes!: RouteLineView[];
  /** What you may do at this moment, and where. */
  mine!: RightView[];
}
