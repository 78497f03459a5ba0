import { readListCell } from '../../kernel/csv-cell.js';
import { parseHostname } from '../domain/hostname.js';
import { formatCidr, formatIp, type Ip, IpSyntaxError, lastOf, parseCidr, parseIp, widthOf } from '../domain/ip.js';
import { parseMac } from '../domain/mac.js';
import { type CsvRecord } from './csv-file.js';
import { type FileKind } from './import-files.js';
import { RowError, type StagedRow } from './staged-row.js';

type Cells = CsvRecord['cells'];
type Meaning = Omit<StagedRow, 'file' | 'line' | 'value' | 'code' | 'detail'>;

const readers: Record<FileKind, { subject: string; read: (cells: Cells) => Meaning }> = {
  vrfs: { subject: 'name', read: readVrf },
  prefixes: { subject: 'prefix', read: readPrefix },
  ranges: { subject: 'start_address', read: readRange },
  addresses: { subject: 'address', read: readAddress },
};

/** What a record of a NetBox export means here, or why it means nothing. */
export function stagedRow(file: FileKind, record: CsvRecord): StagedRow {
  const { subject, read } = readers[file];
  const row = { file, line: record.line, value: word(record.cells, subject).slice(0, 200) };
  try {
    if (record.uneven) throw new RowError('wrong_cell_count', 'The row has not as many cells as the first line has columns.');
    return { ...row, ...read(record.cells) };
  } catch (error) {
    if (error instanceof RowError) return { ...row, code: error.code, detail: error.message };
    if (error instanceof IpSyntaxError) return { ...row, code: error.code, detail: `${row.value} ${error.message}.` };
    throw error;
  }
}

/** A network on a line of its own, as a pool of that kind. */
export function listedNetwork(line: number, text: string, vrf: string | null, kind: 'container' | 'subnet'): StagedRow {
  const row = stagedRow('prefixes', { line, cells: { prefix: text }, uneven: false });
  return row.code === undefined ? { ...row, vrf, kind } : row;
}

function readVrf(cells: Cells): Meaning {
  const name = text(cells, 'name', 100);
  if (name === null) throw new RowError('name_missing', 'The row names no VRF.');
  return { name, rd: text(cells, 'rd', 50), description: text(cells, 'description', 2000) ?? '' };
}

function readPrefix(cells: Cells): Meaning {
  const network = parseCidr(word(cells, 'prefix'));
  const canonical = formatCidr(network);
  const kind = word(cells, 'status').toLowerCase() === 'container' ? 'container' : 'subnet';
  const tags = [
    ...readListCell(cells.tags ?? ''),
    ...labels('role', text(cells, 'role', 95)),
    ...labels('tenant', text(cells, 'tenant', 93)),
  ];
  const long = tags.find((tag) => tag.length > 100);
  if (long !== undefined) throw new RowError('too_long', 'A tag has at most 100 characters.');
  return {
    vrf: text(cells, 'vrf', 200),
    name: text(cells, 'name', 200) ?? canonical,
    network: canonical,
    kind,
    gateway: gateway(word(cells, 'gateway'), network, kind),
    vlan: vlan(word(cells, 'vlan')),
    site: text(cells, 'site', 100),
    environment: text(cells, 'environment', 100),
    tags: [...new Set(tags)],
    description: text(cells, 'description', 2000) ?? '',
    active: word(cells, 'active').toLowerCase() !== 'false',
    cooldown_seconds: cooldown(word(cells, 'cooldown_seconds')),
  };
}

function readRange(cells: Cells): Meaning {
  const first = hostOf(word(cells, 'start_address'));
  const last = hostOf(word(cells, 'end_address'));
  if (first.family !== last.family || first.value > last.value)
    throw new RowError('range_backwards', 'The end address must not lie before the start address.');
  return {
    vrf: text(cells, 'vrf', 200),
    address: formatIp(first),
    last_address: formatIp(last),
    // Not asked for what NetBox means by active and deprecated: a range is never one holder's, so it is kept out of what is offered.
    status: statusOf(word(cells, 'status')) === 'blocked' ? 'blocked' : 'reserved',
    ...holder(cells),
  };
}

function readAddress(cells: Cells): Meaning {
  const address = formatIp(hostOf(word(cells, 'address')));
  const name = word(cells, 'dns_name');
  const hostname = name === '' ? null : parseHostname(name);
  if (hostname === undefined)
    throw new RowError(
      'bad_hostname',
      `${name.slice(0, 300)} is no host name: labels of letters, digits and inner hyphens, joined by dots.`,
    );
  const macText = word(cells, 'mac');
  const mac = macText === '' ? null : parseMac(macText);
  if (mac === undefined) throw new RowError('bad_mac', `${macText.slice(0, 100)} is no MAC address.`);
  return {
    vrf: text(cells, 'vrf', 200),
    address,
    last_address: address,
    status: statusOf(word(cells, 'status')),
    hostname,
    mac,
    ...holder(cells),
  };
}

function holder(cells: Cells): Pick<StagedRow, 'owner' | 'purpose' | 'description'> {
  return {
    owner: text(cells, 'tenant', 200),
    purpose: text(cells, 'role', 200),
    description: text(cells, 'description', 2000) ?? '',
  };
}

const STATUSES: Record<string, StagedRow['status']> = {
  active: 'allocated',
  dhcp: 'allocated',
  slaac: 'allocated',
  deprecated: 'allocated',
  reserved: 'reserved',
  blocked: 'blocked',
};

function statusOf(cell: string): StagedRow['status'] {
  if (cell === '') return 'allocated';
  const status = STATUSES[cell.toLowerCase()];
  if (!status) throw new RowError('unknown_status', `There is no status ${cell.slice(0, 100)}.`);
  return status;
}

/** NetBox writes an address with the mask of its interface; the mask says nothing about the address itself. */
function hostOf(cell: string): Ip {
  const [address = '', length] = cell.split('/');
  const ip = parseIp(address);
  if (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= widthOf(ip.family)))
    throw new RowError('prefix_length', `${cell} must have a prefix length of 0 to ${widthOf(ip.family)}.`);
  return ip;
}

/** A VLAN's number, alone or in brackets after its name, as NetBox's tables show it. */
function vlan(cell: string): number | null {
  if (cell === '') return null;
  const digits = /^(\d{1,9})$|\((\d{1,9})\)$/.exec(cell);
  if (!digits) throw new RowError('bad_vlan', `${cell.slice(0, 100)} is no VLAN number.`);
  const vid = Number(digits[1] ?? digits[2]);
  if (vid < 1 || vid > 4094) throw new RowError('vlan_out_of_range', `A VLAN is a number from 1 to 4094, not ${vid}.`);
  return vid;
}

function gateway(cell: string, network: ReturnType<typeof parseCidr>, kind: 'container' | 'subnet'): string | null {
  if (cell === '') return null;
  const ip = hostOf(cell);
  const reserved = network.length <= widthOf(network.family) - 2;
  const inside = ip.family === network.family && ip.value >= network.first && ip.value <= lastOf(network);
  const isEnd = reserved && (ip.value === network.first || (network.family === 4 && ip.value === lastOf(network)));
  if (kind !== 'subnet' || !inside || isEnd || network.length === widthOf(network.family))
    throw new RowError('bad_gateway', `${cell} is no address that ${formatCidr(network)} could give to a host.`);
  return formatIp(ip);
}

function cooldown(cell: string): number {
  if (cell === '') return 86_400;
  const seconds = /^\d{1,9}$/.test(cell) ? Number(cell) : Infinity;
  if (seconds > 31_536_000) throw new RowError('bad_cooldown', 'A cooldown is a number of seconds from 0 to 31536000.');
  return seconds;
}

function labels(kind: string, name: string | null): string[] {
  return name === null ? [] : [`${kind}:${name}`];
}

/** A cell that is read, not kept: spaces around it do not count. */
function word(cells: Cells, column: string): string {
  return (cells[column] ?? '').trim();
}

/** A cell that is kept as it is; null when it is empty. */
function text(cells: Cells, column: string, longest: number): string | null {
  const cell = cells[column];
  if (cell === undefined || cell === '') return null;
  if (cell.length > longest) throw new RowError('too_long', `${column} has at most ${longest} characters.`);
  return cell;
}
