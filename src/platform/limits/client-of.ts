import { LRUCache } from 'lru-cache';
import { parseIp } from '../../kernel/ip-address.js';

const HOST_BITS = 64n;
/** Taking an IPv6 address apart costs microseconds, and every request asks. */
const subscribers = new LRUCache<string, string>({ max: 10_000 });

/** Whom an address stands for: in IPv6 a subscriber has a /64 and may call from any address in it. */
export function clientOf(address = 'unknown'): string {
  if (!address.includes(':')) return address;
  let client = subscribers.get(address);
  if (client === undefined) subscribers.set(address, (client = subscriberOf(address)));
  return client;
}

function subscriberOf(address: string): string {
  const ip = parseIp(address);
  return ip?.family === 6 ? `${(ip.value >> HOST_BITS).toString(16)}::/64` : address;
}
