import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { allocationView } from '../allocations/allocation.view.js';
import { type Allocation } from '../allocations/allocation.entity.js';
import { formatCidr, formatIp } from '../domain/ip.js';
import { parseMac } from '../domain/mac.js';
import { readQuery } from '../domain/search-query.js';
import { cidrParameter, ipParameter } from '../ip-validators.js';
import { type SearchFilter, type SearchResult } from './search.dto.js';
import { type PoolHitRow, SearchRepository } from './search.repository.js';

/** One question in the words the index understands. */
interface Question {
  kind: SearchResult['interpretation']['kind'];
  explanation: string;
  ask: (limit: number) => Promise<{ pools: PoolHitRow[]; allocations: Allocation[] }>;
}

@Injectable()
export class SearchService {
  constructor(private readonly search: SearchRepository) {}

  /** One of `q`, `ip`, `cidr`, `hostname`, `mac`, `owner`; what the answer was read as stands in it. */
  async find(filter: SearchFilter): Promise<SearchResult> {
    const { kind, explanation, ask } = this.question(filter);
    const { pools, allocations } = await ask(filter.limit + 1);
    return {
      interpretation: { kind, explanation },
      pools: pools.slice(0, filter.limit),
      allocations: allocations.slice(0, filter.limit).map(allocationView),
      more: pools.length > filter.limit || allocations.length > filter.limit,
    };
  }

  private question(filter: SearchFilter): Question {
    const { vrfId } = filter;
    const asked = [filter.q, filter.ip, filter.cidr, filter.hostname, filter.mac, filter.owner].filter((value) => value !== undefined);
    if (asked.length !== 1)
      throw new AppError('unparsable', 'invalid_query', 'Ask for exactly one of q, ip, cidr, hostname, mac and owner.');
    if (filter.q !== undefined) return this.read(filter.q, vrfId);
    if (filter.ip !== undefined) return this.read(formatIp(ipParameter('ip', filter.ip)), vrfId);
    if (filter.cidr !== undefined) return this.read(formatCidr(cidrParameter('cidr', filter.cidr)), vrfId);
    if (filter.hostname !== undefined) {
      const name = filter.hostname.toLowerCase();
      const form = name.includes('*');
      const ask = async (limit: number) => ({
        pools: [],
        allocations: await (form ? this.search.byHostnameForm(name, vrfId, limit) : this.search.byHostname(name, vrfId, limit)),
      });
      return { kind: 'filters', explanation: form ? `host names of the form “${name}”` : `the host name “${name}”`, ask };
    }
    if (filter.mac !== undefined) return this.read(macParameter(filter.mac), vrfId);
    const owner = filter.owner ?? '';
    const ask = async (limit: number) => ({ pools: [], allocations: await this.search.byOwner(owner, vrfId, limit) });
    return { kind: 'filters', explanation: `owners whose name begins with “${owner}”`, ask };
  }

  private read(q: string, vrfId: string | undefined): Question {
    const reading = readQuery(q);
    const { kind, explanation } = reading;
    switch (reading.kind) {
      case 'address': {
        const ip = formatIp(reading.ip);
        const ask = async (limit: number) => {
          const [allocations, pools] = await Promise.all([this.search.byAddress(ip, vrfId, limit), this.search.covering(ip, vrfId, limit)]);
          return { pools, allocations };
        };
        return { kind, explanation, ask };
      }
      case 'network': {
        const cidr = formatCidr(reading.cidr);
        const ask = async (limit: number) => {
          const [allocations, inside, around] = await Promise.all([
            this.search.inNetwork(cidr, vrfId, limit),
            this.search.poolsInNetwork(cidr, vrfId, limit),
            this.search.covering(cidr, vrfId, limit),
          ]);
          return { pools: [...around.filter((p) => p.network !== cidr).reverse(), ...inside].slice(0, limit), allocations };
        };
        return { kind, explanation, ask };
      }
      case 'mac':
        return {
          kind,
          explanation,
          ask: async (limit) => ({ pools: [], allocations: await this.search.byMac(reading.mac, vrfId, limit) }),
        };
      case 'text': {
        const ask = async (limit: number) => {
          const [byName, byOwner, pools] = await Promise.all([
            this.search.byPartOfHostname(reading.text, vrfId, limit),
            this.search.byOwner(reading.text, vrfId, limit),
            this.search.poolsByName(reading.text, vrfId, limit),
          ]);
          const seen = new Set(byName.map(({ id }) => id));
          return { pools, allocations: [...byName, ...byOwner.filter(({ id }) => !seen.has(id))].slice(0, limit) };
        };
        return { kind, explanation, ask };
      }
    }
  }
}

function macParameter(text: string): string {
  const mac = parseMac(text);
  if (mac !== undefined) return mac;
  const detail = 'must be a MAC address, such as aa:bb:cc:dd:ee:ff';
  throw new AppError('unparsable', 'invalid_query', `mac ${detail}.`, { errors: [{ pointer: '?mac', code: 'not_a_mac', detail }] });
}
