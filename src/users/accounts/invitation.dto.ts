import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsEmail, IsString, Matches, MaxLength, ValidateIf } from 'class-validator';
import { ToLowerCase } from './user.dto.js';
import { USERNAME_FORM, USERNAME_RULE } from './username.js';

export class Invite {
  @IsEmail()
  @MaxLength(254)
  email!: string;

  /** Names of roles; `viewer` and `requestor` when absent. Naming some needs `role:assign`, and the rights they give. */
  @ValidateIf((o: Invite) => o.roles !== undefined)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsString({ each: true })
  roles?: string[];
}

export class AcceptInvitation {
  /** The invitation's; in its link it stands after `#token=`. */
  @IsString()
  @MaxLength(256)
  token!: string;

  /** Unique; kept in lower case, and for good. */
  @ToLowerCase()
  @IsString()
  @Matches(USERNAME_FORM, { message: USERNAME_RULE })
  username!: string;

  /** 15 to 256 characters, not a common one, without the username. */
  @IsString()
  @MaxLength(1024)
  password!: string;

  @ValidateIf((o: AcceptInvitation) => o.displayName !== undefined)
  @IsString()
  @MaxLength(200)
  displayName?: string;
}

export class Register {
  /** Unique; kept in lower case, and for good. */
  @ToLowerCase()
  @IsString()
  @Matches(USERNAME_FORM, { message: USERNAME_RULE })
  username!: string;

  /** Unique, whatever the case. */
  @IsEmail()
  @MaxLength(254)
  email!: string;

  /** 15 to 256 characters, not a common one, without the username. */
  @IsString()
  @MaxLength(1024)
  password!: string;

  @ValidateIf((o: Register) => o.displayName !== undefined)
  @IsString()
  @MaxLength(200)
  displayName?: string;
}

export class InvitationView {
  id!: string;
  /** The id that the account will have. */
  userId!: string;
  email!: string;
  roles!: string[];
  invitedBy!: string;
  createdAt!: string;
  expiresAt!: string;
}

export class NewInvitationView extends InvitationView {
  /** What accepts it: POST /auth/invitations/accept. Said this once. */
  token!: string;
  /** Where the invited person goes, with the token behind `#`, so that no server's log has it; null unless `users.invitationPage` is set. */
  @ApiProperty({ type: String, nullable: true })
  link!: string | null;
  /**
   * No mail is sent: hand it over yourself.
   * @example 'manual'
   */
  delivery!: string;
}

export class InvitationPage {
  items!: InvitationView[];
  total!: number;
}

export class RegisteredView {
  id!: string;
  username!: string;
  /** `active`: sign in. `pending`: somebody has to approve the account first. */
  status!: string;
}
