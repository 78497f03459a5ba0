import { parseIp } from '../../kernel/ip-address.js';

const HOST_BITS = 64n;

/** Whom an address stands for: in IPv6 a subscriber has a /64 and may call from any address in it. */
export function clientOf(address = 'unknown'): string {
  if (!address.includes(':')) return address;
  const ip = parseIp(address);
  if (ip?.family !== 6) return address;
  return `${(ip.value >> HOST_BITS).toString(16)}::/64`;
}
