import { IsString, MaxLength } from 'class-validator';

export class ChangePassword {
  @IsString()
  @MaxLength(1024)
  currentPassword!: string;

  /** 15 to 256 characters, not a common one, without your names. */
  @IsString()
  @MaxLength(1024)
  newPassword!: string;
}

export class RedeemReset {
  /** What the administrator handed over. */
  @IsString()
  @MaxLength(256)
  token!: string;

  /** 15 to 256 characters, not a common one, without your names. */
  @IsString()
  @MaxLength(1024)
  newPassword!: string;
}

export class PasswordResetView {
  /** Shown this once; hand it to the owner of the account by a way that is theirs alone. */
  token!: string;
  expiresAt!: string;
}
