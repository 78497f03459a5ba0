import { permissions, type Permission } from '../../platform/auth/permissions.js';

interface SystemRole {
  name: string;
  description: string;
  permissions: readonly Permission[];
}

const everyone: readonly Permission[] = [
  'profile:read',
  'profile:write',
  'audit:read-own',
  'key:read-own',
  'key:write-own',
  'project:read',
  'search:read',
  'work-session:read',
  'work-session:write',
];
const ipamReads: readonly Permission[] = ['vrf:read', 'pool:read', 'allocation:read'];
/** Who may do what, and what was done with it. */
const rightsReads: readonly Permission[] = [
  'user:read',
  'group:read',
  'role:read',
  'session:read',
  'identity-provider:read',
  'key:read',
  'security-event:read',
  'setting:read',
];

/** Holders of either administer; `superuser` alone may make and unmake superusers. */
export const SUPERUSER = 'superuser';
export const ADMIN = 'admin';
/** Whoever has it everywhere administers, by whatever role: shorter and fewer sessions, the networks of administrators, the larger rate limit. */
export const ADMINISTRATION: Permission = 'user:write';

/** What a new account has when nobody says otherwise. */
export const defaultRoles: readonly string[] = ['viewer', 'requestor'];

/** The roles this program ships; the database's copy is made to match at every start. Sets that only add up: no role is above another. */
export const systemRoles: readonly SystemRole[] = [
  { name: SUPERUSER, description: 'Everything, and making other superusers.', permissions },
  { name: ADMIN, description: 'Everything but superusers.', permissions },
  {
    name: 'operator',
    description: 'Runs the address space: reads all of it, allocates and releases, exports.',
    permissions: [...everyone, ...ipamReads, 'allocation:write', 'ipam:export'],
  },
  { name: 'viewer', description: 'Reads the address space.', permissions: [...everyone, ...ipamReads] },
  { name: 'analyst', description: 'Reads the address space to report on it.', permissions: [...everyone, ...ipamReads] },
  { name: 'requestor', description: 'Asks for addresses; sees the pools a request names.', permissions: [...everyone, 'pool:read'] },
  { name: 'approver', description: 'Decides on requests; reads the address space.', permissions: [...everyone, ...ipamReads] },
  {
    name: 'knowledge_manager',
    description: 'Keeps request templates and articles; reads the address space.',
    permissions: [...everyone, ...ipamReads],
  },
  {
    name: 'auditor',
    description: 'Reads the audit trail, the address space, and who may do what; changes nothing.',
    permissions: [...everyone, ...ipamReads, ...rightsReads, 'audit:read', 'audit-retention:read'],
  },
];
