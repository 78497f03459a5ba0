import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Outbound } from '../../platform/outbound/outbound.js';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Where this module connects to: only where the outbound policy lets the program, and to the address that was checked. */
@Injectable()
export class ProviderTargets {
  constructor(private readonly outbound: Outbound) {}

  /**
   * What can be told of a target when it is configured, without asking a name server: it may know more when it counts. Throws `target_refused`.
   */
  async check(url: string, pointer: string): Promise<void> {
    const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0 || host === 'localhost') await this.outbound.address(new URL(url), pointer);
  }

  /** The same URL by its checked address. Throws `target_refused`, `target_unresolved` or `target_unreachable`. */
  async byAddress(url: string): Promise<string> {
    const { protocol, port } = new URL(url);
    const { address, family } = await this.outbound.address(new URL(url), '/config');
    return `${protocol}//${family === 6 ? `[${address}]` : address}${port === '' ? '' : `:${port}`}`;
  }

  /** As the global fetch, without following redirects. Throws what byAddress() does. */
  fetch(url: string, init: RequestInit = {}): Promise<Response> {
    return this.outbound.fetch(url, { ...init, pointer: '/config' });
  }
}

export function isLoopback(url: string): boolean {
  return LOOPBACK.test(new URL(url).hostname);
}
