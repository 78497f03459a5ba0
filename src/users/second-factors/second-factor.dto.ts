import { IsObject, IsString, Length, MaxLength } from 'class-validator';

export class ConfirmTotp {
  /** Six digits, of this moment. */
  @IsString()
  @MaxLength(16)
  code!: string;
}

export class AddPasskey {
  /** What you call it. */
  @IsString()
  @Length(1, 100)
  name!: string;

  /** What `navigator.credentials.create()` gave, as JSON. */
  @IsObject()
  response!: Record<string, unknown>;
}

export class TotpView {
  confirmedAt!: string;
  lastUsedAt!: string | null;
}

export class PasskeyView {
  id!: string;
  name!: string;
  /** Whether it is kept in more than one place. */
  backedUp!: boolean;
  createdAt!: string;
  lastUsedAt!: string | null;
}

export class SecondFactorsView {
  /** The authenticator app, when there is one. */
  totp!: TotpView | null;
  passkeys!: PasskeyView[];
  recoveryCodesLeft!: number;
}

export class BegunTotpView {
  /** Base32, to be typed into the app. */
  secret!: string;
  /** `otpauth://`, to be shown as a QR code. */
  uri!: string;
}

export class RecoveryCodesView {
  /** Ten codes, good once each, shown this once. Empty when earlier ones are still good. */
  recoveryCodes!: string[];
}

export class AddedPasskeyView extends PasskeyView {
  /** Ten codes, good once each, shown this once. Empty when earlier ones are still good. */
  recoveryCodes!: string[];
}
