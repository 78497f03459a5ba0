/** What an import may consist of, in the order in which it is read. */
export const fileKinds = ['vrfs', 'prefixes', 'ranges', 'addresses'] as const;
export type FileKind = (typeof fileKinds)[number];

interface FileShape {
  required: readonly string[];
  optional: readonly string[];
}

/** The columns of NetBox's CSV exports that mean something here; those after the line break are our own and only in our exports. */
export const shapes: Record<FileKind, FileShape> = {
  vrfs: { required: ['name'], optional: ['rd', 'description'] },
  prefixes: {
    required: ['prefix'],
    // prettier-ignore
    optional: ['status', 'vrf', 'tenant', 'site', 'vlan', 'role', 'description', 'tags',
      'name', 'gateway', 'environment', 'active', 'cooldown_seconds'],
  },
  ranges: { required: ['start_address', 'end_address'], optional: ['status', 'vrf', 'tenant', 'role', 'description'] },
  addresses: {
    required: ['address'],
    // prettier-ignore
    optional: ['status', 'vrf', 'tenant', 'role', 'dns_name', 'description',
      'mac'],
  },
};
