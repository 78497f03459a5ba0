/** An account as everyone but the login sees it, with the names of its roles. */
export interface Account {
  id: string;
  username: string;
  email: string | null;
  displayName: string;
  active: boolean;
  mustChangePassword: boolean;
  lastLoginAt: Date | null;
  version: number;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
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
  limit: number;
  offset: number;
}
