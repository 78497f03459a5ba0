import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { isAmong, parseIp } from '../../kernel/ip-address.js';
import { Settings } from '../settings/settings.js';
import { allowedNetworks, timeoutMs } from './outbound-settings.js';
import { type CheckedAddress, only, sendPinned } from './pinned-request.js';
import { Resolver } from './resolver.js';
import { specialKind } from './special-networks.js';
import { type StreamedAnswer, type StreamedRequest, streamPinned } from './streamed-request.js';

interface HostAndPort {
  host: string;
  port: number;
}

interface OutboundRequest extends RequestInit {
  /** Which field of the caller's named the target: refusals point there. */
  pointer: string;
  /** Trusted besides what this machine trusts; PEM. */
  ca?: string;
}

interface OutboundStream extends Omit<StreamedRequest, 'idleMs'>, Pick<OutboundRequest, 'pointer' | 'ca'> {
  /** `outbound.timeoutMs` when absent. */
  idleMs?: number;
}

type Protocol = 'http:' | 'https:' | 'ldap:' | 'ldaps:';

const WEB: readonly Protocol[] = ['https:', 'http:'];

/**
 * The one way out to servers that a person named. Whatever a name resolves to, this machine, its neighbours and its cloud's metadata are
 * refused, unless `outbound.allowedNetworks` has them; what was checked is what is connected to.
 */
@Injectable()
export class Outbound {
  constructor(
    private readonly settings: Settings,
    private readonly resolver: Resolver,
  ) {}

  /** The URL, when it is one that may be connected to. Throws `target_refused`, `target_unresolved`, `target_unreachable`. */
  async check(text: string, pointer: string, protocols: readonly Protocol[] = WEB): Promise<URL> {
    const url = urlOf(text, pointer, protocols);
    await this.address(url, pointer);
    return url;
  }

  /**
   * Where to connect for this target: do so by this address, not by the name again, which may lead elsewhere by then. Every address of the
   * name has to be permitted. Throws `target_refused`, `target_unresolved`, `target_unreachable`.
   */
  async address(target: URL | HostAndPort, pointer: string): Promise<CheckedAddress> {
    const [first] = await this.addresses(target, pointer);
    return first;
  }

  /**
   * As the global fetch, for http and https, but checked, and without following redirects: a 3xx is the answer. The whole answer, at most
   * 4 MiB, has to arrive within `outbound.timeoutMs`. Throws `target_refused`, `target_unresolved`, `target_unreachable`.
   */
  async fetch(target: string | URL, { pointer, ca, signal, ...init }: OutboundRequest): Promise<Response> {
    const url = urlOf(String(target), pointer, WEB);
    const to = await this.addresses(url, pointer);
    const late = AbortSignal.timeout(this.settings.get(timeoutMs));
    try {
      return await sendPinned(new Request(url, init), { to, signal: signal ? AbortSignal.any([late, signal]) : late, ca });
    } catch (error) {
      throw unreachable(url.host, error);
    }
  }

  /**
   * As `fetch`, for what is too large for it: body and answer are streams, and what is limited is how long nothing moves at the other end. The
   * answer's body has to be read or destroyed. Throws `target_refused`, `target_unresolved`, and `target_unreachable`, whose cause is the error of
   * the body's source when that failed.
   */
  async stream(target: URL, { pointer, ca, idleMs = this.settings.get(timeoutMs), ...request }: OutboundStream): Promise<StreamedAnswer> {
    const url = urlOf(target.href, pointer, WEB);
    const to = await this.addresses(url, pointer);
    try {
      return await streamPinned(url, { ...request, idleMs }, { to, ca });
    } catch (error) {
      throw unreachable(url.host, error);
    }
  }

  /** A connection to a checked address. Throws `target_refused`, `target_unresolved`, `target_unreachable`. */
  async connect(target: HostAndPort, pointer: string): Promise<Socket> {
    const addresses = await this.addresses(target, pointer);
    const socket = connect({ host: target.host, port: target.port, lookup: only(addresses) });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(this.settings.get(timeoutMs)) });
      return socket;
    } catch (error) {
      socket.destroy();
      throw unreachable(`${target.host}:${target.port}`, error);
    }
  }

  private async addresses(target: URL | HostAndPort, pointer: string): Promise<[CheckedAddress, ...CheckedAddress[]]> {
    const host = (target instanceof URL ? target.hostname : target.host).replace(/^\[(.*)\]$/, '$1');
    if (host === '') throw refused(pointer, 'must name a host');
    const allowed = this.settings.get(allowedNetworks);
    const [first, ...others] = (await this.resolve(host, pointer)).map((text): CheckedAddress => {
      const ip = parseIp(text);
      const kind = ip && !isAmong(ip, allowed) ? specialKind(ip) : undefined;
      if (!ip) throw refused(pointer, 'leads to what is no address');
      if (kind !== undefined) throw refused(pointer, `leads to a ${kind} address, which is not in outbound.allowedNetworks`);
      // A mapped address is dialled as the IPv4 address it was judged as.
      return { address: ip.family === 4 && text.includes(':') ? dotted(ip.value) : text, family: ip.family };
    });
    if (!first) throw unresolved(pointer, host);
    return [first, ...others];
  }

  private async resolve(host: string, pointer: string): Promise<string[]> {
    try {
      return await this.resolver.resolve(host);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      throw code === 'ENOTFOUND' || code === 'ENODATA' ? unresolved(pointer, host) : unreachable(host, error);
    }
  }
}

function urlOf(text: string, pointer: string, protocols: readonly Protocol[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !protocols.some((one) => one === url.protocol))
    throw refused(pointer, `must be a URL that begins with ${protocols.map((one) => `${one}//`).join(' or ')}`);
  if (url.username !== '' || url.password !== '') throw refused(pointer, 'must not hold a name or a password');
  return url;
}

function refused(pointer: string, detail: string): AppError {
  return AppError.field(pointer, 'target_refused', `The target ${detail}.`);
}

function unresolved(pointer: string, host: string): AppError {
  return AppError.field(pointer, 'target_unresolved', `The name ${host} has no address.`);
}

function unreachable(target: string, cause: unknown): AppError {
  return new AppError('unavailable', 'target_unreachable', `${target} cannot be reached, or does not answer in time.`, {
    retryAfterSeconds: 5,
    cause,
  });
}

function dotted(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}
