import { type Cidr, formatCidr, formatIp, type Ip, IpSyntaxError, maskOf, parseCidr, parseIp } from './ip.js';
import { parseMac } from './mac.js';

/** How a query was read. */
export type Reading =
  | { kind: 'address'; ip: Ip; explanation: string }
  | { kind: 'network'; cidr: Cidr; explanation: string }
  | { kind: 'mac'; mac: string; explanation: string }
  | { kind: 'text'; text: string; explanation: string };

/** Understands addresses, networks (also with host bits, also partial such as `10.1.` or `2001:db8:`), MACs in any notation, and names. */
export function readQuery(query: string): Reading {
  const text = query.trim();
  const mac = parseMac(text);
  if (mac !== undefined) return { kind: 'mac', mac, explanation: `the MAC address ${mac}` };
  const network = readNetwork(text);
  if (network) return { kind: 'network', cidr: network, explanation: `everything in and around ${formatCidr(network)}` };
  const ip = attempt(() => parseIp(text));
  if (ip) return { kind: 'address', ip, explanation: `the address ${formatIp(ip)}` };
  return {
    kind: 'text',
    text: text.toLowerCase(),
    explanation: `names that contain “${text.toLowerCase()}”: host names, owners and pools`,
  };
}

function readNetwork(text: string): Cidr | undefined {
  if (text.includes('/')) {
    const exact = attempt(() => parseCidr(text));
    if (exact) return exact;
    const slash = text.indexOf('/');
    const ip = attempt(() => parseIp(text.slice(0, slash)));
    const length = Number(text.slice(slash + 1));
    if (ip && /^\d{1,3}$/.test(text.slice(slash + 1)) && length <= (ip.family === 4 ? 32 : 128))
      return { family: ip.family, first: maskOf(ip.value, ip.family, length), length };
    return undefined;
  }
  const octets = /^(\d{1,3}\.){1,3}$/.test(text) ? text.slice(0, -1).split('.') : undefined;
  if (octets) return attempt(() => parseCidr(`${[...octets, '0', '0', '0'].slice(0, 4).join('.')}/${octets.length * 8}`));
  const groups = /^([0-9a-f]{1,4}:){1,7}$/i.test(text) ? text.slice(0, -1).split(':') : undefined;
  if (groups) return attempt(() => parseCidr(`${groups.join(':')}${groups.length === 7 ? ':0' : '::'}/${groups.length * 16}`));
  return undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof IpSyntaxError) return undefined;
    throw error;
  }
}
