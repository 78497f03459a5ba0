import { IsString, MaxLength } from 'class-validator';

export class LoginRequest {
  /** Whatever the case. */
  @IsString()
  @MaxLength(256)
  username!: string;

  @IsString()
  @MaxLength(1024)
  password!: string;
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

export class ChangePassword {
  @IsString()
  @MaxLength(1024)
  currentPassword!: string;

  /** 15 to 256 characters, not a common one, without the username. */
  @IsString()
  @MaxLength(1024)
  newPassword!: string;
}

export class MeView {
  id!: string;
  username!: string;
  email!: string | null;
  displayName!: string;
  roles!: string[];
  /** What you may do at this moment. */
  permissions!: string[];
  mustChangePassword!: boolean;
  lastLoginAt!: string | null;
}
