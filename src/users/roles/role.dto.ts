export class RoleView {
  /** @example 'operator' */
  name!: string;
  description!: string;
  /** Shipped with the program, which keeps its permissions as they are. */
  system!: boolean;
  /** What holders may do. */
  permissions!: string[];
}

export class RoleList {
  items!: RoleView[];
}
