import { type IpAddress, type IpNetwork, isInside, parseNetwork } from '../../kernel/ip-address.js';

/** What is not the public Internet, from the IANA special-purpose registries (RFC 6890) and the documentation of cloud providers. */
const SPECIAL: readonly (readonly [kind: string, networks: readonly string[]])[] = [
  // 168.63.129.16 is public space, and the host agent of every virtual machine in Azure.
  ['metadata', ['169.254.169.254/32', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::254/128', 'fd20:ce::254/128']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['shared', ['100.64.0.0/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  [
    'reserved',
    // Among them ways to write an IPv4 address that a gateway of ours would translate: NAT64 for local use, Teredo, IPv4-compatible.
    ['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '240.0.0.0/4'].concat([
      '::/96',
      '64:ff9b:1::/48',
      '100::/64',
      '2001::/23',
      '2001:db8::/32',
      '3fff::/20',
      '5f00::/16',
    ]),
  ],
];
const special = SPECIAL.map(([kind, networks]) => ({ kind, networks: networks.map(network) }));
const NAT64 = network('64:ff9b::/96');
const SIX_TO_FOUR = network('2002::/16');

/** What kind of address this is, when it is not one of the public Internet. */
export function specialKind(ip: IpAddress): string | undefined {
  return special.find(({ networks }) => networks.some((one) => isInside(ip, one)))?.kind ?? embeddedKind(ip);
}

/** An IPv6 address that leads to an IPv4 one is what that is: RFC 6052 §2.1, RFC 3056 §2. */
function embeddedKind(ip: IpAddress): string | undefined {
  if (isInside(ip, NAT64)) return specialKind({ family: 4, value: ip.value & 0xffff_ffffn });
  if (isInside(ip, SIX_TO_FOUR)) return specialKind({ family: 4, value: (ip.value >> 80n) & 0xffff_ffffn });
  return undefined;
}

function network(text: string): IpNetwork {
  const parsed = parseNetwork(text);
  if (!parsed) throw new Error(`${text} is no network.`);
  return parsed;
}
