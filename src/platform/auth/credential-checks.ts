import { Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { type Principal } from '../context/request-context.js';
import { type Credential } from './credentials.js';

/** Whose credential it is; undefined when it is nobody's, or no longer good. */
export type CredentialCheck = (value: string, request: FastifyRequest) => Promise<Principal | undefined>;

/**
 * Who can tell whose a credential is. Feature modules fill it in. Of access tokens it knows those that passport found good before; the guard
 * asks passport about the others.
 */
@Injectable()
export class CredentialChecks {
  private readonly byKind = new Map<Credential['kind'], CredentialCheck>();

  register(kind: Credential['kind'], check: CredentialCheck): void {
    if (this.byKind.has(kind)) throw new Error(`Two checks of the credential ${kind}`);
    this.byKind.set(kind, check);
  }

  async principalOf({ kind, value }: Credential, request: FastifyRequest): Promise<Principal | undefined> {
    return this.byKind.get(kind)?.(value, request);
  }
}
