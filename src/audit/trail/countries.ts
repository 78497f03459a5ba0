import { readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { type CountryResponse, Reader } from 'mmdb-lib';
import { AppConfig } from '../../config/app-config.js';
import { ConfigError } from '../../config/environment.js';
import { Clock } from '../../kernel/clock.js';
import { parseIp } from '../../kernel/ip-address.js';
import { Log } from '../../platform/logging/log.js';
import { specialKind } from '../../platform/outbound/special-networks.js';
import { plainIp } from '../personal/personal-members.js';

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
/** Between the tree and the data. */
const SEPARATOR = 16;
const LOOK_AGAIN_MS = 60_000;

/** Which country an address is in, as a MaxMind DB file says (its specification 2.0) that whoever runs this program put there. */
@Injectable()
export class Countries {
  private readonly file: string | undefined;
  private reader: Reader<CountryResponse> | undefined;
  private version = '';
  private lookedAt: number;
  private looking: Promise<void> | undefined;

  /** Throws ConfigError when there is to be a file and it cannot be used. */
  constructor(
    config: AppConfig,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.file = config.audit.geoIpFile;
    this.lookedAt = clock.now().getTime();
    if (this.file === undefined) return;
    try {
      this.version = versionOf(statSync(this.file));
      this.reader = readerOf(readFileSync(this.file));
    } catch (error) {
      throw new ConfigError([`CADASTRE_GEOIP_FILE: ${reasonOf(error)}`]);
    }
  }

  /** ISO 3166-1 alpha-2; undefined when it is not known, and for what is not an address of the public Internet. */
  of(address: string | undefined): string | undefined {
    const ip = this.reader && address !== undefined ? parseIp(address) : undefined;
    if (!this.reader || !ip || address === undefined) return undefined;
    this.lookAgain();
    // In a tree of IPv4 addresses the bits of an IPv6 one would lead somewhere too.
    if (specialKind(ip) !== undefined || (ip.family === 6 && this.reader.metadata.ipVersion !== 6)) return undefined;
    const code = this.saidOf(this.reader, plainIp(address) ?? '');
    return typeof code === 'string' && /^[A-Z]{2}$/.test(code) ? code : undefined;
  }

  /** Resolves when the file is not being looked at. */
  async settled(): Promise<void> {
    await this.looking;
  }

  /** A file that is broken inside must not keep anybody from being audited. */
  private saidOf(reader: Reader<CountryResponse>, address: string): unknown {
    try {
      return reader.get(address)?.country?.iso_code;
    } catch {
      return undefined;
    }
  }

  /** The event at hand does not wait for it. */
  private lookAgain(): void {
    const now = this.clock.now().getTime();
    if (this.looking || this.file === undefined || Math.abs(now - this.lookedAt) < LOOK_AGAIN_MS) return;
    this.lookedAt = now;
    this.looking = this.reread(this.file).finally(() => (this.looking = undefined));
  }

  private async reread(file: string): Promise<void> {
    try {
      const version = versionOf(await stat(file));
      if (version === this.version) return;
      this.reader = readerOf(await readFile(file));
      this.version = version;
    } catch (error) {
      this.log.error('the file of countries cannot be read again: the one that was read before is used', { error: reasonOf(error) });
    }
  }
}

function versionOf({ mtimeMs, size }: { mtimeMs: number; size: number }): string {
  return `${mtimeMs} ${size}`;
}

/** Throws when it is something else. The library looks for the beginning of the metadata, and would take any bytes that decode for it. */
function readerOf(file: Buffer): Reader<CountryResponse> {
  if (!file.includes(MARKER)) throw new NoDatabase();
  let reader: Reader<CountryResponse>;
  try {
    reader = new Reader<CountryResponse>(file);
  } catch {
    throw new NoDatabase();
  }
  const { binaryFormatMajorVersion: version, searchTreeSize } = reader.metadata;
  if (version !== 2 || !(searchTreeSize + SEPARATOR < file.length)) throw new NoDatabase();
  return reader;
}

class NoDatabase extends Error {}

function reasonOf(error: unknown): string {
  if (error instanceof NoDatabase) return 'is no MaxMind DB file';
  return `cannot be read${typeof error === 'object' && error !== null && 'code' in error ? ` (${String(error.code)})` : ''}`;
}
