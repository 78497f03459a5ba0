import { Injectable } from '@nestjs/common';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { AppError } from '../../kernel/app-error.js';
import { explainConstraint } from '../../platform/database/pg-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { OneTimeTokens, type TokenPurpose } from '../sessions/one-time-tokens.js';
import { type Party } from './relying-party.js';

/** What a browser's authenticator answered; nothing in it is believed before it was verified. */
export type PasskeyResponse = Record<string, unknown>;

export interface Passkey {
  id: string;
  name: string;
  backedUp: boolean;
  createdAt: Date;
  lastUsedAt: Date | null;
}

interface Stored {
  id: string;
  userId: string;
  publicKey: Buffer;
  signCount: string;
}

/** Whom a challenge was made for: a challenge of one sign-in or session is of no use in another. */
export interface Bond {
  userId?: string;
  sessionId?: string;
}

const CHALLENGE_SECONDS = 300;
const MOST = 20;

explainConstraint('passkeys_credential_unique', () => AppError.conflict('passkey_exists', 'This passkey is registered already.'));

/** Passkeys (WebAuthn Level 3). A challenge is a one-time token, bound to whom it was made for. */
@Injectable()
export class Passkeys {
  constructor(
    private readonly work: UnitOfWork,
    private readonly tokens: OneTimeTokens,
  ) {}

  list(userId: string): Promise<Passkey[]> {
    return this.work.query<Passkey>(
      `SELECT id, name, backed_up AS "backedUp", created_at AS "createdAt", last_used_at AS "lastUsedAt"
         FROM passkeys WHERE user_id = $1 ORDER BY id`,
      [userId],
    );
  }

  async enrolmentOptions(bond: Required<Bond>, username: string, party: Party): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const known = await this.credentialsOf(bond.userId);
    return generateRegistrationOptions({
      rpName: 'Cadastre',
      rpID: party.domain,
      userName: username,
      userID: new Uint8Array(Buffer.from(bond.userId)),
      challenge: await this.challenge('passkey_enrolment', bond),
      timeout: CHALLENGE_SECONDS * 1000,
      excludeCredentials: known.map((id) => ({ id })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    });
  }

  /** Part of the open unit of work. Throws `passkey_refused`, `passkey_exists` or `too_many_passkeys`. */
  async enrol(bond: Required<Bond>, name: string, response: PasskeyResponse, party: Party): Promise<Passkey> {
    if ((await this.credentialsOf(bond.userId)).length >= MOST)
      throw AppError.conflict('too_many_passkeys', `Nobody needs more than ${MOST} passkeys; remove one first.`);
    const made = await this.verifiedEnrolment(bond, response, party);
    if (!made) throw AppError.field('/response', 'passkey_refused', 'This is not the answer to a challenge of this session.');
    const { credential, credentialBackedUp } = made;
    const [passkey] = await this.work.queryInside<Passkey>(
      `INSERT INTO passkeys (user_id, credential_id, public_key, sign_count, transports, name, backed_up)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       RETURNING id, name, backed_up AS "backedUp", created_at AS "createdAt", last_used_at AS "lastUsedAt"`,
      [
        bond.userId,
        credential.id,
        Buffer.from(credential.publicKey),
        credential.counter,
        credential.transports ?? [],
        name,
        credentialBackedUp,
      ],
    );
    if (!passkey) throw new Error('INSERT … RETURNING gave no row.');
    return passkey;
  }

  /** For whoever holds one of this user's passkeys; for whoever holds any, when nobody is named. */
  async proofOptions(bond: Bond, party: Party): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const known = bond.userId === undefined ? [] : await this.credentialsOf(bond.userId);
    return generateAuthenticationOptions({
      rpID: party.domain,
      challenge: await this.challenge('passkey_proof', bond),
      timeout: CHALLENGE_SECONDS * 1000,
      allowCredentials: known.map((id) => ({ id })),
      userVerification: bond.userId === undefined ? 'required' : 'preferred',
    });
  }

  /** Whose passkey an answer speaks of; proves nothing. */
  async ownerOf(response: PasskeyResponse): Promise<string | undefined> {
    return (await this.stored(response))?.userId;
  }

  /**
   * Whether the answer is that of one of the user's passkeys to a challenge of this bond. `alone` is for a first factor: the authenticator
   * must have verified its user. Part of the open unit of work, which must commit also when the answer is no: the challenge is used up.
   */
  async prove(userId: string, bond: Bond, response: PasskeyResponse, party: Party, { alone = false } = {}): Promise<boolean> {
    const challenge = await this.takenChallenge('passkey_proof', bond, response);
    const passkey = await this.stored(response);
    if (challenge === undefined || passkey?.userId !== userId) return false;
    const counter = await this.verifiedCounter(passkey, challenge, response, party, alone);
    if (counter === undefined) return false;
    const used = await this.work.queryInside(
      'UPDATE passkeys SET sign_count = $2, last_used_at = now() WHERE id = $1 AND sign_count = $3 RETURNING id',
      [passkey.id, counter, passkey.signCount],
    );
    return used.length > 0;
  }

  /** Part of the open unit of work. Throws `passkey_not_found`. */
  async remove(userId: string, id: string): Promise<Passkey> {
    const [removed] = await this.work.queryInside<Passkey>(
      `DELETE FROM passkeys WHERE user_id = $1 AND id = $2
       RETURNING id, name, backed_up AS "backedUp", created_at AS "createdAt", last_used_at AS "lastUsedAt"`,
      [userId, id],
    );
    if (!removed) throw AppError.notFound('passkey', id);
    return removed;
  }

  /** Part of the open unit of work. */
  async removeAll(userId: string): Promise<number> {
    return (await this.work.queryInside('DELETE FROM passkeys WHERE user_id = $1 RETURNING id', [userId])).length;
  }

  private async verifiedEnrolment(
    bond: Required<Bond>,
    response: PasskeyResponse,
    { origins, domain }: Party,
  ): Promise<NonNullable<Awaited<ReturnType<typeof verifyRegistrationResponse>>['registrationInfo']> | undefined> {
    const expectedChallenge = await this.takenChallenge('passkey_enrolment', bond, response);
    if (expectedChallenge === undefined) return undefined;
    return orUndefined(async () => {
      const { registrationInfo } = await verifyRegistrationResponse({
        // Its shape is what the library checks first.
        response: response as unknown as RegistrationResponseJSON,
        expectedChallenge,
        expectedOrigin: origins,
        expectedRPID: domain,
        requireUserVerification: false,
      });
      return registrationInfo;
    });
  }

  private verifiedCounter(
    { publicKey, signCount }: Stored,
    expectedChallenge: string,
    response: PasskeyResponse,
    { origins, domain }: Party,
    alone: boolean,
  ): Promise<number | undefined> {
    return orUndefined(async () => {
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response: response as unknown as AuthenticationResponseJSON,
        expectedChallenge,
        expectedOrigin: origins,
        expectedRPID: domain,
        requireUserVerification: alone,
        credential: { id: String(response.id), publicKey: new Uint8Array(publicKey), counter: Number(signCount) },
      });
      return verified ? authenticationInfo.newCounter : undefined;
    });
  }

  private async challenge(purpose: TokenPurpose, { userId, sessionId }: Bond): Promise<Uint8Array<ArrayBuffer>> {
    const { token } = await this.tokens.issue(purpose, { userId, detail: { sessionId: sessionId ?? null }, seconds: CHALLENGE_SECONDS });
    return new Uint8Array(Buffer.from(token, 'base64url'));
  }

  private async takenChallenge(purpose: TokenPurpose, { userId, sessionId }: Bond, response: PasskeyResponse): Promise<string | undefined> {
    const challenge = challengeIn(response);
    const taken = challenge === undefined ? undefined : await this.tokens.take(purpose, challenge);
    return taken?.userId === (userId ?? null) && taken.detail.sessionId === (sessionId ?? null) ? challenge : undefined;
  }

  private async stored({ id }: PasskeyResponse): Promise<Stored | undefined> {
    if (typeof id !== 'string') return undefined;
    const [found] = await this.work.query<Stored>(
      `SELECT id, user_id AS "userId", public_key AS "publicKey", sign_count AS "signCount" FROM passkeys WHERE credential_id = $1`,
      [id],
    );
    return found;
  }

  private async credentialsOf(userId: string): Promise<string[]> {
    const rows = await this.work.query<{ id: string }>('SELECT credential_id AS id FROM passkeys WHERE user_id = $1 ORDER BY id', [userId]);
    return rows.map(({ id }) => id);
  }
}

/** The challenge an answer says it answers. */
function challengeIn({ response }: PasskeyResponse): string | undefined {
  try {
    const { clientDataJSON } = response as { clientDataJSON: string };
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()) as { challenge?: unknown };
    return typeof challenge === 'string' ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** The library throws for whatever is wrong with an answer, and it may have been made by anybody. */
async function orUndefined<T>(verify: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await verify();
  } catch {
    return undefined;
  }
}
