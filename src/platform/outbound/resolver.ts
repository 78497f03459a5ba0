import { lookup } from 'node:dns/promises';
import { Injectable } from '@nestjs/common';

/** Where names get their addresses. */
export abstract class Resolver {
  /** Every address of a name, or the address itself; in the order in which they should be tried. Rejects like dns.lookup. */
  abstract resolve(host: string): Promise<string[]>;
}

/** As every other program on this machine resolves: hosts file first. */
@Injectable()
export class SystemResolver extends Resolver {
  async resolve(host: string): Promise<string[]> {
    return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
  }
}
