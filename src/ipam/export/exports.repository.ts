import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type FileKind } from '../import/import-files.js';

/** A row of an export: `key` is its place in the order, the rest its cells by column. */
export interface ExportRow {
  key: [string, string];
  cells: Record<string, string | string[] | null>;
}

const FIRST = ['00000000-0000-0000-0000-000000000000', '0.0.0.0/0'] as const;
/** Where a VRF is the default one, its name stays empty: that is how a NetBox export writes the global table. */
const VRF = `CASE WHEN v.is_default THEN NULL ELSE v.name END`;
const LABEL = (kind: string): string =>
  `(SELECT substr(t, ${kind.length + 2}) FROM unnest(p.tags) t WHERE starts_with(t, '${kind}:') LIMIT 1)`;

/**
 * Each in the order of an index, continued after ($1, $2), at most $4 rows, of the VRF $3 or of all. What NetBox's files say, and where that
 * does not say all there is, columns of our own.
 */
const QUERIES: Record<FileKind, string> = {
  vrfs: `
    SELECT ARRAY[v.id::text, $2::text] AS key, json_build_object('name', v.name, 'rd', v.rd, 'description', v.description) AS cells
      FROM vrfs v WHERE v.id > $1::uuid AND NOT v.is_default AND ($3::uuid IS NULL OR v.id = $3::uuid) ORDER BY v.id LIMIT $4`,
  prefixes: `
    SELECT ARRAY[p.vrf_id::text, p.network::text] AS key,
           json_build_object('prefix', p.network, 'status', CASE p.kind WHEN 'container' THEN 'container' ELSE 'active' END, 'vrf', ${VRF},
             'tenant', ${LABEL('tenant')}, 'site', p.site, 'vlan', p.vlan::text, 'role', ${LABEL('role')}, 'description', p.description,
             'tags', p.tags, 'name', p.name, 'gateway', host(p.gateway), 'environment', p.environment, 'active', p.active::text,
             'cooldown_seconds', p.cooldown_seconds::text) AS cells
      FROM pools p JOIN vrfs v ON v.id = p.vrf_id
     WHERE p.kind <> 'root' AND (p.vrf_id, p.network) > ($1::uuid, $2::inet) AND ($3::uuid IS NULL OR p.vrf_id = $3::uuid)
     ORDER BY p.vrf_id, p.network LIMIT $4`,
  ranges: `
    SELECT ARRAY[a.vrf_id::text, a.address::text] AS key,
           json_build_object('start_address', a.address::text, 'end_address', a.last_address::text, 'status', a.status, 'vrf', ${VRF},
             'tenant', a.owner, 'role', a.purpose, 'description', a.description) AS cells
      FROM allocations a JOIN vrfs v ON v.id = a.vrf_id
     WHERE a.returned_at IS NULL AND a.released_at IS NULL AND a.address <> a.last_address AND (a.vrf_id, a.address) > ($1::uuid, $2::inet)
       AND ($3::uuid IS NULL OR a.vrf_id = $3::uuid)
     ORDER BY a.vrf_id, a.address LIMIT $4`,
  addresses: `
    SELECT ARRAY[a.vrf_id::text, host(a.address)] AS key,
           json_build_object('address', host(a.address) || '/' || ipam_width(family(a.address)),
             'status', CASE a.status WHEN 'allocated' THEN 'active' ELSE a.status END, 'vrf', ${VRF}, 'tenant', a.owner, 'role', a.purpose,
             'dns_name', a.hostname, 'description', a.description, 'mac', a.mac::text) AS cells
      FROM allocations a JOIN vrfs v ON v.id = a.vrf_id
     WHERE a.returned_at IS NULL AND a.released_at IS NULL AND a.address = a.last_address AND (a.vrf_id, a.address) > ($1::uuid, $2::inet)
       AND ($3::uuid IS NULL OR a.vrf_id = $3::uuid)
     ORDER BY a.vrf_id, a.address LIMIT $4`,
};

@Injectable()
export class ExportsRepository {
  constructor(private readonly work: UnitOfWork) {}

  /** The rows after a key, in order; the first ones without. */
  async page(kind: FileKind, after: readonly [string, string] | undefined, vrfId: string | undefined, limit: number): Promise<ExportRow[]> {
    const [vrf, place] = after ?? FIRST;
    return this.work.query<ExportRow & object>(QUERIES[kind], [vrf, place, vrfId ?? null, limit]);
  }

  async vrfExists(id: string): Promise<boolean> {
    return (await this.work.query('SELECT FROM vrfs WHERE id = $1', [id])).length > 0;
  }
}
