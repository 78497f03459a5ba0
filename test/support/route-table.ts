import { readFileSync } from 'node:fs';

/** One line of docs/permissions.json, the role × route table that reviewers see. */
export interface RouteLine {
  method: string;
  path: string;
  permission?: string;
  /** Why anyone may call it. */
  public?: string;
  roles?: string[];
}

/** The committed table; that it is the program's own is for access.e2e-spec.ts to say. */
export const routeTable = JSON.parse(readFileSync(new URL('../../docs/permissions.json', import.meta.url), 'utf8')) as RouteLine[];

export const nameOf = ({ method, path }: { method: string; path: string }): string => `${method} ${path}`;

/** The documentation does not describe itself. */
export const isDescribed = ({ path }: { path: string }): boolean => !path.startsWith('/docs');
