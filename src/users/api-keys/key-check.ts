import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { CredentialChecks } from '../../platform/auth/credential-checks.js';
import { currentContext, type Principal } from '../../platform/context/request-context.js';
import { KeyAlarms } from './events/key-alarms.js';
import { type KeyRecord } from './key-directory.js';
import { KeyProof } from './key-proof.js';
import { isAmong, parseIp } from '../../kernel/ip-address.js';
import { UsageRecorder } from './usage/usage-recorder.js';

/**
 * Whose key or tenant token it is, if it is good at this moment and from there. Whatever is wrong with it, the answer is undefined; what was
 * wrong is a security event, and only where the secret was right: guesses are counted, not recorded.
 */
@Injectable()
export class KeyCheck implements OnModuleInit {
  constructor(
    private readonly checks: CredentialChecks,
    private readonly proof: KeyProof,
    private readonly usage: UsageRecorder,
    private readonly alarms: KeyAlarms,
  ) {}

  onModuleInit(): void {
    this.checks.register('key', (value, request) => this.principalOf(value, request));
  }

  private async principalOf(value: string, request: FastifyRequest): Promise<Principal | undefined> {
    const found = await this.proof.of(value);
    if (!found.proven) {
      if (found.guessedAt === undefined) this.usage.junk();
      else this.usage.denied(found.guessedAt, 'secret');
      return undefined;
    }
    const { record, principal } = found.proven;
    const refusal = found.proven.revoked ? 'revoked_use' : refusalOf(record, request);
    if (refusal) {
      this.alarms.refused(refusal, record.id, {
        state: record.state,
        address: currentContext()?.clientAddress,
        origin: request.headers.origin,
      });
      return undefined;
    }
    // Of an account that is closed nothing is said: that it is closed is recorded already.
    if (!record.ownerActive || record.state === 'pending') return undefined;
    this.usage.begun(request, record.id, currentContext()?.clientAddress);
    return principal;
  }
}

function refusalOf(
  { state, endsAt, addressRanges, allowedOrigins }: KeyRecord,
  { headers: { origin } }: FastifyRequest,
): 'revoked_use' | 'expired_use' | 'address_denied' | undefined {
  if (state === 'revoked' || state === 'replaced') return 'revoked_use';
  if (state === 'expired') return 'expired_use';
  // Its end came within the second that the database's answer is remembered.
  if (performance.now() >= endsAt) return state === 'in_grace' ? 'revoked_use' : 'expired_use';
  const address = parseIp(currentContext()?.clientAddress ?? '');
  if (addressRanges && !(address && isAmong(address, addressRanges))) return 'address_denied';
  if (allowedOrigins && (origin === undefined || !allowedOrigins.includes(origin))) return 'address_denied';
  return undefined;
}
