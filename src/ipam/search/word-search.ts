import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Hit, SearchSources } from '../../platform/search/search-sources.js';
import { formatCidr, formatIp } from '../domain/ip.js';
import { readQuery } from '../domain/search-query.js';
import { type PoolHitRow, SearchRepository } from './search.repository.js';

// The indexed expressions of pools_words and allocations_words, letter for letter.
const POOL_WORDS = `to_tsvector('simple'::regconfig, translate(
  p.name || ' ' || coalesce(p.site, '') || ' ' || coalesce(p.environment, '') || ' ' || p.description, '.-_/:@', '      '))`;
const ADDRESS_WORDS = `to_tsvector('simple'::regconfig, translate(
  coalesce(a.hostname, '') || ' ' || coalesce(a.owner, '') || ' ' || coalesce(a.purpose, '') || ' ' || a.description, '.-_/:@', '      '))`;
const POOLS = `
  SELECT p.id, p.name, p.network, ts_rank(${POOL_WORDS}, $1::tsquery)::float8 AS rank
    FROM pools p
   WHERE p.kind <> 'root' AND ${POOL_WORDS} @@ $1::tsquery
   ORDER BY rank DESC, p.id LIMIT $2`;
export const ADDRESSES_BY_WORDS = `
  SELECT a.id, a.hostname, host(a.address) AS address, a.owner, ts_rank(${ADDRESS_WORDS}, $1::tsquery)::float8 AS rank
    FROM allocations a
   WHERE a.released_at IS NULL AND (a.hostname IS NOT NULL OR a.owner IS NOT NULL OR a.purpose IS NOT NULL OR a.description <> '')
     AND ${ADDRESS_WORDS} @@ $1::tsquery
   ORDER BY rank DESC, a.id LIMIT $2`;
/** An address or network that was named outright comes before any text. */
const EXACT = 2;

interface AddressRow {
  id: string;
  hostname: string | null;
  address: string;
  owner: string | null;
}

/** Pools and addresses in the search over everything. */
@Injectable()
export class WordSearch implements OnModuleInit {
  constructor(
    private readonly sources: SearchSources,
    private readonly work: UnitOfWork,
    private readonly search: SearchRepository,
  ) {}

  onModuleInit(): void {
    this.sources.register({ type: 'pool', permission: 'pool:read', find: (...asked) => this.pools(...asked) });
    this.sources.register({ type: 'address', permission: 'allocation:read', find: (...asked) => this.addresses(...asked) });
  }

  private async pools(text: string, words: readonly string[], limit: number): Promise<Hit[]> {
    const reading = readQuery(text);
    if (reading.kind === 'address') return (await this.search.covering(formatIp(reading.ip), undefined, limit)).map(poolHit(EXACT));
    if (reading.kind === 'network')
      return (await this.search.poolsInNetwork(formatCidr(reading.cidr), undefined, limit)).map(poolHit(EXACT));
    if (reading.kind === 'mac') return [];
    const rows = await this.work.query<PoolHitRow & { rank: number }>(POOLS, [beginnings(words), limit]);
    return rows.map((row) => poolHit(row.rank)(row));
  }

  private async addresses(text: string, words: readonly string[], limit: number): Promise<Hit[]> {
    const reading = readQuery(text);
    if (reading.kind === 'address') return (await this.search.byAddress(formatIp(reading.ip), undefined, limit)).map(addressHit(EXACT));
    if (reading.kind === 'network') return (await this.search.inNetwork(formatCidr(reading.cidr), undefined, limit)).map(addressHit(EXACT));
    if (reading.kind === 'mac') return (await this.search.byMac(reading.mac, undefined, limit)).map(addressHit(EXACT));
    const rows = await this.work.query<AddressRow & { rank: number }>(ADDRESSES_BY_WORDS, [beginnings(words), limit]);
    return rows.map((row) => addressHit(row.rank)(row));
  }
}

/** A text search query for all of these words' beginnings; they are letters and digits, so nothing in them means anything to it. */
function beginnings(words: readonly string[]): string {
  return words.map((word) => `${word}:*`).join(' & ');
}

function poolHit(rank: number): (row: Pick<PoolHitRow, 'id' | 'name' | 'network'>) => Hit {
  return ({ id, name, network }) => ({ type: 'pool', id, title: name, subtitle: network, path: `/api/v1/ipam/pools/${id}`, rank });
}

function addressHit(rank: number): (row: AddressRow) => Hit {
  return ({ id, hostname, address, owner }) => ({
    type: 'address',
    id,
    title: hostname ?? address,
    subtitle: [hostname === null ? undefined : address, owner].filter(Boolean).join(', '),
    path: `/api/v1/ipam/allocations/${id}`,
    rank,
  });
}
