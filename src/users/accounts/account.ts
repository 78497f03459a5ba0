export const accountKinds = ['person', 'service'] as const;
export type AccountKind = (typeof accountKinds)[number];

export const accountStatuses = ['active', 'inactive', 'pending', 'anonymised'] as const;
export type AccountStatus = (typeof accountStatuses)[number];

/** An account as everyone but the login sees it, with the names of its roles. */
export interface Account {
  id: string;
  username: string;
  kind: AccountKind;
  status: AccountStatus;
  /** Who answers for a service. */
  ownerId: string | null;
  email: string | null;
  emailVerified: boolean;
  displayName: string;
  active: boolean;
  mustChangePassword: boolean;
  uidNumber: number | null;
  gidNumber: number | null;
  loginShell: string | null;
  homeDirectory: string | null;
  lastLoginAt: Date | null;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
  /** In force: an assignment that expired is not among them. */
  roles: string[];
}

/** What the login needs of an account; never leaves the process. */
export interface Credentials {
  id: string;
  username: string;
  passwordHash: string | null;
  active: boolean;
  mustChangePassword: boolean;
}

export interface AccountFilter {
  q?: string;
  active?: boolean;
  role?: string;
  kind?: AccountKind;
  status?: AccountStatus;
  /** A group's id. */
  group?: string;
  limit: number;
  offset: number;
}
