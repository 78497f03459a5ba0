import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Allocation } from '../allocations/allocation.entity.js';
import { ALLOCATION_COLUMNS } from '../allocations/allocations.repository.js';
import { type PoolKind } from '../pools/pool.entity.js';
import { likeText } from '../pools/pools.repository.js';

export interface PoolHitRow {
  id: string;
  vrfId: string;
  kind: PoolKind;
  name: string;
  network: string;
  description: string;
}

const POOL = `p.id, p.vrf_id AS "vrfId", p.kind, p.name, p.network, p.description`;

// The address itself, or the range that reaches over it; one probe of the history index a branch.
export const BY_ADDRESS = `
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.address = $1::inet AND a.returned_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2)
  UNION ALL
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.address <> a.last_address AND a.address < $1::inet AND a.last_address >= $1::inet AND a.returned_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2)
   LIMIT $3`;
export const COVERING = `SELECT ${POOL} FROM pools p WHERE p.network = ANY ((SELECT ipam_supernets($1::inet))::cidr[]) AND p.kind <> 'root' AND ($2::uuid IS NULL OR p.vrf_id = $2)
   ORDER BY masklen(p.network) DESC, p.id LIMIT $3`;
export const IN_NETWORK = `
  SELECT ${ALLOCATION_COLUMNS} FROM allocations a
   WHERE a.address BETWEEN host($1::cidr)::inet AND host(broadcast($1::cidr))::inet AND a.returned_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2)
   ORDER BY a.address, a.vrf_id LIMIT $3`;
const POOLS_IN_NETWORK = `SELECT ${POOL} FROM pools p WHERE p.network <<= $1::cidr AND p.kind <> 'root' AND ($2::uuid IS NULL OR p.vrf_id = $2) ORDER BY p.network, p.id LIMIT $3`;
export const BY_MAC = `SELECT ${ALLOCATION_COLUMNS} FROM allocations a WHERE a.mac = $1::macaddr AND a.released_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2) ORDER BY a.address, a.id LIMIT $3`;
export const HOST_EXACT = `SELECT ${ALLOCATION_COLUMNS} FROM allocations a WHERE a.hostname = $1 AND a.released_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2) ORDER BY a.address, a.id LIMIT $3`;
export const HOST_LIKE = `SELECT ${ALLOCATION_COLUMNS} FROM allocations a WHERE a.hostname LIKE $1 AND a.released_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2) ORDER BY a.hostname, a.id LIMIT $3`;
export const BY_OWNER = `SELECT ${ALLOCATION_COLUMNS} FROM allocations a WHERE lower(a.owner) LIKE $1 AND a.released_at IS NULL AND ($2::uuid IS NULL OR a.vrf_id = $2) ORDER BY lower(a.owner), a.id LIMIT $3`;
const POOLS_BY_NAME = `SELECT ${POOL} FROM pools p WHERE p.name ILIKE $1 AND p.kind <> 'root' AND ($2::uuid IS NULL OR p.vrf_id = $2) ORDER BY lower(p.name), p.id LIMIT $3`;

/** Each question is one statement on one index; EXPLAIN at a million rows is in its test. */
@Injectable()
export class SearchRepository {
  constructor(private readonly work: UnitOfWork) {}

  byAddress(ip: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(BY_ADDRESS, [ip, vrfId ?? null, limit]);
  }

  /** Smallest first. */
  covering(ip: string, vrfId: string | undefined, limit: number): Promise<PoolHitRow[]> {
    return this.work.query<PoolHitRow>(COVERING, [ip, vrfId ?? null, limit]);
  }

  inNetwork(cidr: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(IN_NETWORK, [cidr, vrfId ?? null, limit]);
  }

  poolsInNetwork(cidr: string, vrfId: string | undefined, limit: number): Promise<PoolHitRow[]> {
    return this.work.query<PoolHitRow>(POOLS_IN_NETWORK, [cidr, vrfId ?? null, limit]);
  }

  byMac(mac: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(BY_MAC, [mac, vrfId ?? null, limit]);
  }

  /** Exactly this name. */
  byHostname(name: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(HOST_EXACT, [name, vrfId ?? null, limit]);
  }

  /** Names of a form, `*` standing for anything. Without three adjacent letters anywhere, only the beginning can narrow the search. */
  byHostnameForm(form: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(HOST_LIKE, [likeText(form).replaceAll('*', '%'), vrfId ?? null, limit]);
  }

  /** Names that contain the text, the exact one first. One or two letters are read as the beginning: they have no trigram. */
  async byPartOfHostname(text: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    const exact = await this.byHostname(text, vrfId, limit);
    if (exact.length >= limit) return exact;
    const like = await this.byHostnameForm(text.length < 3 ? `${text}*` : `*${text}*`, vrfId, limit);
    const seen = new Set(exact.map(({ id }) => id));
    return [...exact, ...like.filter(({ id }) => !seen.has(id))].slice(0, limit);
  }

  byOwner(text: string, vrfId: string | undefined, limit: number): Promise<Allocation[]> {
    return this.work.query<Allocation & object>(BY_OWNER, [`${likeText(text.toLowerCase())}%`, vrfId ?? null, limit]);
  }

  poolsByName(text: string, vrfId: string | undefined, limit: number): Promise<PoolHitRow[]> {
    return this.work.query<PoolHitRow>(POOLS_BY_NAME, [`%${likeText(text)}%`, vrfId ?? null, limit]);
  }
}
