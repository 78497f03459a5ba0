import { Module } from '@nestjs/common';
import { UsersModule } from '../users.module.js';
import { IdentitiesRepository } from './identities.repository.js';
import { IdentitiesService } from './identities.service.js';
import { LdapDirectory } from './ldap/ldap-directory.js';
import { LdapLogin } from './ldap/ldap-login.js';
import { LdapReconcileJob } from './ldap/ldap-reconcile.job.js';
import { LdapReconcile } from './ldap/ldap-reconcile.js';
import { LdifExchange } from './ldif/ldif-exchange.js';
import { LdifController } from './ldif/ldif.controller.js';
import { MappedRoles } from './mapped-roles.js';
import { MyIdentitiesController } from './my-identities.controller.js';
import { LogoutTokens } from './oidc/logout-tokens.js';
import { OidcSignIn } from './oidc/oidc-sign-in.js';
import { ProvidedAccounts } from './provided-accounts.js';
import { ProviderGate } from './provider-gate.js';
import { ProviderLoginEvents } from './provider-login-events.js';
import { ProviderMessages } from './provider-messages.js';
import { ProviderSecrets } from './provider-secrets.js';
import { ProviderSessions } from './provider-sessions.js';
import { ProviderTargets } from './provider-targets.js';
import { ProviderTests } from './provider-tests.js';
import { ProvidersController } from './providers.controller.js';
import { ProvidersRepository } from './providers.repository.js';
import { ProvidersService } from './providers.service.js';
import { RedirectSignIn } from './redirect-sign-in.js';
import { RedirectsRepository } from './redirects.repository.js';
import { SamlSignIn } from './saml/saml-sign-in.js';
import { SignInProviders } from './sign-in-providers.js';
import { SignInController } from './sign-in.controller.js';

/** Signing in with what another system vouches for. */
@Module({
  imports: [UsersModule],
  // LDIF first: its path would otherwise be an id of a provider.
  controllers: [LdifController, ProvidersController, SignInController, MyIdentitiesController],
  providers: [
    IdentitiesRepository,
    IdentitiesService,
    LdapDirectory,
    LdapLogin,
    LdapReconcile,
    LdapReconcileJob,
    LdifExchange,
    LogoutTokens,
    MappedRoles,
    OidcSignIn,
    ProvidedAccounts,
    ProviderGate,
    ProviderLoginEvents,
    ProviderMessages,
    ProviderSecrets,
    ProviderSessions,
    ProviderTargets,
    ProviderTests,
    ProvidersRepository,
    ProvidersService,
    RedirectSignIn,
    RedirectsRepository,
    SamlSignIn,
    SignInProviders,
  ],
})
export class IdentityProvidersModule {}
