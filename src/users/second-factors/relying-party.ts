import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { SignInSettings } from '../sessions/sign-in-settings.js';

/** How a request reached this server, by its own words. */
export interface Caller {
  host: string;
  protocol: string;
}

/** Whom a passkey is made for (WebAuthn §5.1.2): a domain, and the origins whose pages may ask for it. */
export interface Party {
  domain: string;
  origins: string[];
}

const THIS_MACHINE = /^(localhost|127\.0\.0\.1|\[::1\])$/;

@Injectable()
export class RelyingParty {
  constructor(private readonly settings: SignInSettings) {}

  /** Throws `passkeys_not_set_up` where no origin is set and the caller does not sit at this machine: a Host header proves nothing. */
  of({ host, protocol }: Caller): Party {
    const { passkeyOrigins, passkeyDomain } = this.settings;
    const [first] = passkeyOrigins;
    if (first !== undefined) return { domain: passkeyDomain || new URL(first).hostname, origins: [...passkeyOrigins] };
    const origin = `${protocol}://${host}`;
    const hostname = URL.canParse(origin) ? new URL(origin).hostname : '';
    if (!THIS_MACHINE.test(hostname))
      throw new AppError('unsupported', 'passkeys_not_set_up', 'An administrator has to set the origins whose passkeys are taken.');
    return { domain: hostname, origins: [origin] };
  }
}

export function callerOf({ headers, protocol }: { headers: { host?: string }; protocol: string }): Caller {
  return { host: headers.host ?? '', protocol };
}
