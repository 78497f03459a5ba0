import { hashOfSecret, newSecret } from '../../platform/crypto/bearer-secret.js';
import { Injectable } from '@nestjs/common';
import { RefreshTokens, type TokenPair } from './refresh-tokens.js';
import { type NewSession, type Session, Sessions } from './sessions.js';

/** `tokens` for programs and pages of other origins, `console` for our own page, which never sees a token. */
export const signInModes = ['tokens', 'console'] as const;
export type SignInMode = (typeof signInModes)[number];

export interface SignIn extends Omit<NewSession, 'secretHash'> {
  mustChangePassword: boolean;
  mode: SignInMode;
}

/** What the console gets: the value of its cookie, to be sent and forgotten. */
interface ConsoleSession {
  secret: string;
  sessionExpiresAt: Date;
  mustChangePassword: boolean;
}

type Credential = ({ mode: 'tokens' } & TokenPair) | ({ mode: 'console' } & ConsoleSession);
export type OpenedSession = Credential & { sessionId: string };

/** Opens sessions, whoever found out who it is: the password, a passkey or an identity provider. */
@Injectable()
export class SignIns {
  constructor(
    private readonly sessions: Sessions,
    private readonly tokens: RefreshTokens,
  ) {}

  /** Part of the unit of work that signs somebody in. The session and its secret are new, whatever the caller had before. */
  async open({ mode, mustChangePassword, ...session }: SignIn): Promise<OpenedSession> {
    if (mode === 'tokens') {
      const opened = await this.sessions.open(session);
      return { mode, sessionId: opened.id, ...(await this.tokens.first({ ...opened, userId: session.userId, mustChangePassword })) };
    }
    const secret = newSecret();
    const opened = await this.sessions.open({ ...session, secretHash: hashOfSecret(secret) });
    return { mode, sessionId: opened.id, ...consoleOf(opened, secret, mustChangePassword) };
  }
}

function consoleOf({ expiresAt }: Session, secret: string, mustChangePassword: boolean): ConsoleSession {
  return { secret, sessionExpiresAt: expiresAt, mustChangePassword };
}
