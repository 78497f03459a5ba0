import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, getSchemaPath } from '@nestjs/swagger';
import { IsIn, IsObject, IsOptional, IsString, IsUUID, MaxLength, ValidateIf } from 'class-validator';
import { OffsetPage } from '../../platform/http/paging.dto.js';
import { type FactorKind } from '../second-factors/second-factors.js';
import { type SignInMode, signInModes } from './sign-ins.js';

export class LoginRequest {
  /** Whatever the case. */
  @IsString()
  @MaxLength(256)
  username!: string;

  @IsString()
  @MaxLength(1024)
  password!: string;

  /** `tokens` when absent; `console` sets a cookie and gives no token away. */
  @ValidateIf((o: LoginRequest) => o.mode !== undefined)
  @IsIn(signInModes)
  mode?: SignInMode;
}

class ProofRequest {
  /** Six digits of the authenticator app. */
  @ValidateIf((o: ProofRequest) => o.code !== undefined)
  @IsString()
  @MaxLength(16)
  code?: string;

  @ValidateIf((o: ProofRequest) => o.recoveryCode !== undefined)
  @IsString()
  @MaxLength(64)
  recoveryCode?: string;

  /** What `navigator.credentials.get()` gave, as JSON. */
  @ValidateIf((o: ProofRequest) => o.passkey !== undefined)
  @IsObject()
  passkey?: Record<string, unknown>;
}

/** Exactly one of `code`, `recoveryCode` and `passkey`. */
export class SecondFactorRequest extends ProofRequest {
  /** What the first step gave. */
  @IsString()
  @MaxLength(256)
  ticket!: string;
}

/** Exactly one; `password` only from those who have no second factor. */
export class StepUpRequest extends ProofRequest {
  @ValidateIf((o: StepUpRequest) => o.password !== undefined)
  @IsString()
  @MaxLength(1024)
  password?: string;
}

export class PasskeyOptionsRequest {
  /** Of a sign-in that waits for its second factor; absent to sign in by a passkey alone. */
  @IsOptional()
  @IsString()
  @MaxLength(256)
  ticket?: string | null;
}

export class PasskeyLoginRequest {
  /** What `navigator.credentials.get()` gave, as JSON. */
  @IsObject()
  response!: Record<string, unknown>;

  /** `tokens` when absent. */
  @ValidateIf((o: PasskeyLoginRequest) => o.mode !== undefined)
  @IsIn(signInModes)
  mode?: SignInMode;
}

export class RefreshRequest {
  /** The one the last login or refresh gave. */
  @IsString()
  @MaxLength(256)
  refreshToken!: string;
}

export class TokenView {
  /** Send it as `Authorization: Bearer …`. */
  accessToken!: string;
  /** @example 'Bearer' */
  tokenType!: string;
  /** Seconds the access token is good for. */
  expiresIn!: number;
  /** Good for one refresh; sent again within ten seconds it gets the same answer, later it ends the session. */
  refreshToken!: string;
  /** When signing in again is needed, whatever is refreshed. */
  sessionExpiresAt!: string;
  /** Nothing but changing the password is permitted. */
  mustChangePassword!: boolean;
}

/** The cookie is the credential. */
class ConsoleSessionView {
  /** When signing in again is needed, whatever is done. */
  sessionExpiresAt!: string;
  /** Nothing but changing the password is permitted. */
  mustChangePassword!: boolean;
}

/** The password is right; `POST /auth/second-factor` opens the session. */
export class PendingSignInView {
  /** Always true. */
  secondFactorRequired!: boolean;
  /** Good for one session. */
  ticket!: string;
  /** Seconds the ticket is good for. */
  expiresIn!: number;
  /** What may be sent along with the ticket. */
  methods!: FactorKind[];
}

export type CredentialView = TokenView | ConsoleSessionView;
export type SignedInView = CredentialView | PendingSignInView;

const views = [TokenView, ConsoleSessionView, PendingSignInView];

/** The answer is one of these, by what was asked for. */
export const ApiCredential = ({ orPending = false } = {}): MethodDecorator =>
  applyDecorators(
    ApiExtraModels(...views),
    ApiOkResponse({ schema: { oneOf: views.slice(0, orPending ? 3 : 2).map((view) => ({ $ref: getSchemaPath(view) })) } }),
  );

export class MeView {
  id!: string;
  username!: string;
  email!: string | null;
  displayName!: string;
  roles!: string[];
  /** What you may do at this moment. */
  permissions!: string[];
  mustChangePassword!: boolean;
  /** One of your roles asks for a second factor that this session does not have: set one up, or prove the one you have. */
  secondFactorRequired!: boolean;
  lastLoginAt!: string | null;
}

export class SessionFilter extends OffsetPage {
  /** Sessions of this user. */
  @IsOptional()
  @IsUUID()
  userId?: string;
}

export class MySessionView {
  id!: string;
  /** The session of this request. */
  current!: boolean;
  /** A guess by what the device says of itself. */
  device!: string;
  userAgent!: string | null;
  /** Where it was opened from, or last proven. */
  clientIp!: string | null;
  /** `token` for programs and other pages, `console` for the cookie of the console. */
  kind!: string;
  /** How identity was proven, as in RFC 8176. */
  methods!: string[];
  createdAt!: string;
  /** To the minute. */
  lastSeenAt!: string;
  /** When identity was last proven. */
  authenticatedAt!: string;
  expiresAt!: string;
}

export class MySessionPage {
  items!: MySessionView[];
  total!: number;
}

export class SessionView extends MySessionView {
  userId!: string;
  username!: string;
}

export class SessionPage {
  items!: SessionView[];
  total!: number;
}

export class EndedSessionsView {
  /** How many ended. */
  ended!: number;
}
