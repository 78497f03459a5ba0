import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { type SignInMode, signInModes } from '../sessions/sign-ins.js';

export class ProviderButton {
  slug!: string;
  /** What people read on the button. */
  name!: string;
  /** `ldap` asks for a username and a password here; `oidc` and `saml` send the browser elsewhere. */
  kind!: string;
}

export class ProviderButtons {
  items!: ProviderButton[];
}

export class StartSignIn {
  /**
   * Path of this site where the browser goes on; it gets `code` as a query parameter.
   * @example '/pools'
   */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  returnTo?: string | null;
}

export class StartView {
  /** Send the browser there. */
  authorizationUrl!: string;
}

export class ExchangeCode {
  /** What came with the browser; good for a minute, once, in the browser that began. */
  @IsString()
  @MaxLength(100)
  code!: string;

  /** `tokens` when absent; `console` sets the console's cookie and gives no token. */
  @IsOptional()
  @IsIn(signInModes)
  mode?: SignInMode;
}

/** What a SAML provider's page posts. */
export class SamlAnswer {
  SAMLResponse!: string;
  RelayState!: string;
}

/** What an OpenID provider posts. */
export class LogoutNotice {
  logout_token!: string;
}

export class IdentityView {
  id!: string;
  /** Slug of the provider. */
  provider!: string;
  providerName!: string;
  /** What the provider calls you. */
  name!: string;
  linkedAt!: string;
  lastLoginAt!: string | null;
}

export class IdentityList {
  items!: IdentityView[];
}
