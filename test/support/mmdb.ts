import { parseNetwork } from '../../src/kernel/ip-address.js';

type Value = string | { u16: number } | { u32: number } | { u64: number } | Value[] | { map: Record<string, Value> };

const BYTES = 4;
const EMPTY = -1;

/** A MaxMind DB file (specification 2.0) with a country for each of these networks, which do not overlap. */
export function mmdb(countries: Readonly<Record<string, string>>, ipVersion: 4 | 6 = 6): Buffer {
  const codes = [...new Set(Object.values(countries))];
  const data = codes.map((code) => encoded({ map: { country: { map: { iso_code: code } } } }));
  /** Each node has a left and a right: another node, nothing, or below that the place of a country. */
  const nodes: [number, number][] = [[EMPTY, EMPTY]];
  for (const [network, code] of Object.entries(countries)) {
    const path = bitsOf(network, ipVersion);
    let node = 0;
    for (const [i, bit] of path.entries()) {
      const at: [number, number] = nodes[node] ?? [EMPTY, EMPTY];
      if (i === path.length - 1) at[bit] = -2 - codes.indexOf(code);
      else {
        if (at[bit] === EMPTY) at[bit] = nodes.push([EMPTY, EMPTY]) - 1;
        node = at[bit];
      }
    }
  }
  const tree = Buffer.alloc(nodes.length * 2 * BYTES);
  for (const [n, children] of nodes.entries())
    for (const [side, child] of children.entries()) {
      const offset = child < EMPTY ? data.slice(0, -2 - child).reduce((sum, { length }) => sum + length, 0) : 0;
      const record = child >= 0 ? child : child === EMPTY ? nodes.length : nodes.length + 16 + offset;
      tree.writeUInt32BE(record, (n * 2 + side) * BYTES);
    }
  const metadata = encoded({
    map: {
      node_count: { u32: nodes.length },
      record_size: { u16: BYTES * 8 },
      ip_version: { u16: ipVersion },
      database_type: 'Test-Country',
      languages: ['en'],
      binary_format_major_version: { u16: 2 },
      binary_format_minor_version: { u16: 0 },
      build_epoch: { u64: 1_700_000_000 },
      description: { map: { en: 'A few networks' } },
    },
  });
  return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), metadata]);
}

/** The way through the tree. An IPv4 network lies in the first 2^32 addresses of a tree of IPv6. */
function bitsOf(text: string, ipVersion: 4 | 6): (0 | 1)[] {
  const network = parseNetwork(text);
  if (!network) throw new Error(`${text} is no network.`);
  const own = network.family === 4 ? 32 : 128;
  const before = ipVersion === 6 ? 128 - own : 0;
  const bits = network.value.toString(2).padStart(own, '0').slice(0, network.length);
  return Array.from('0'.repeat(before) + bits, (bit) => (bit === '1' ? 1 : 0));
}

/** A control byte with type and size, and what it is about: the section "Output Data Section" of the specification. */
function encoded(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encoded)]);
  if ('u16' in value) return Buffer.concat([control(5, 2), Buffer.from([value.u16 >> 8, value.u16 & 255])]);
  if ('map' in value) {
    const members = Object.entries(value.map).flatMap(([name, member]) => [encoded(name), encoded(member)]);
    return Buffer.concat([control(7, members.length / 2), ...members]);
  }
  const bytes = Buffer.alloc('u32' in value ? 4 : 8);
  if ('u32' in value) bytes.writeUInt32BE(value.u32);
  else bytes.writeBigUInt64BE(BigInt(value.u64));
  return Buffer.concat([control('u32' in value ? 6 : 9, bytes.length), bytes]);
}

function control(type: number, size: number): Buffer {
  if (size > 28) throw new Error('Longer than this writer can say.');
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size]);
}
