import { AuthModule } from '../platform/auth/auth.module.js';
import { AccountApproval } from './accounts/account-approval.js';
import { AccountCreation } from './accounts/account-creation.js';
import { AccountGate } from './accounts/account-gate.js';
import { AccountRemoval } from './accounts/account-removal.js';
import { AccountWriter } from './accounts/account-writer.js';
import { Administrators } from './accounts/administrators.js';
import { InvitationsController } from './accounts/invitations.controller.js';
import { InvitationsRepository } from './accounts/invitations.repository.js';
import { InvitationsService } from './accounts/invitations.service.js';
import { PosixRanges } from './accounts/posix-ranges.js';
import { RegistrationController } from './accounts/registration.controller.js';
import { Registration } from './accounts/registration.js';
import { User } from './accounts/user.entity.js';
import { UsersController } from './accounts/users.controller.js';
import { UsersRepository } from './accounts/users.repository.js';
import { UsersService } from './accounts/users.service.js';
import { MyPassword } from './passwords/my-password.js';
import { PasswordHasher } from './passwords/password-hasher.js';
import { PasswordPolicy } from './passwords/password-policy.js';
import { PasswordResetsController } from './passwords/password-resets.controller.js';
import { PasswordResets } from './passwords/password-resets.js';
import { AssignmentsController } from './roles/assignments.controller.js';
import { AssignmentsRepository } from './roles/assignments.repository.js';
import { Assignments } from './roles/assignments.service.js';
import { Authority } from './roles/authority.js';
import { PermissionsController } from './roles/permissions.controller.js';
import { RoleCatalogue } from './roles/role-catalogue.js';
import { RoleGate } from './roles/role-gate.js';
import { RoleSeeder } from './roles/role-seeder.js';
import { RolesController } from './roles/roles.controller.js';
import { RolesService } from './roles/roles.service.js';
import { MySecondFactorsController } from './second-factors/my-second-factors.controller.js';
import { MySecondFactors } from './second-factors/my-second-factors.js';
import { Passkeys } from './second-factors/passkeys.js';
import { RecoveryCodes } from './second-factors/recovery-codes.js';
import { RelyingParty } from './second-factors/relying-party.js';
import { SecondFactors } from './second-factors/second-factors.js';
import { Totp } from './second-factors/totp.js';
import { AccessTokens } from './sessions/access-tokens.js';
import { AccountRecoveryController } from './sessions/account-recovery.controller.js';
import { AccountRecovery } from './sessions/account-recovery.js';
import { AdministratorNetworks } from './sessions/administrator-networks.js';
import { AuthController } from './sessions/auth.controller.js';
import { DirectoryNames } from './sessions/directory-names.js';
import { JwtStrategy } from './sessions/jwt.strategy.js';
import { LoginEvents } from './sessions/login-events.js';
import { LoginThrottle } from './sessions/login-throttle.js';
import { Login } from './sessions/login.js';
import { MeController } from './sessions/me.controller.js';
import { OneTimeTokens } from './sessions/one-time-tokens.js';
import { PasskeyLogin } from './sessions/passkey-login.js';
import { PendingSignIns } from './sessions/pending-sign-ins.js';
import { SessionGuard } from './sessions/session.guard.js';
import { RefreshTokens } from './sessions/refresh-tokens.js';
import { SecondStep } from './sessions/second-step.js';
import { SessionDirectory } from './sessions/session-directory.js';
import { SessionList } from './sessions/session-list.js';
import { SessionExpiry } from './sessions/session-expiry.js';
import { SessionSweeperJob } from './sessions/session-sweeper.job.js';
import { SessionSweeper } from './sessions/session-sweeper.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { Sessions } from './sessions/sessions.js';
import { SignInSettings } from './sessions/sign-in-settings.js';
import { SignIns } from './sessions/sign-ins.js';
import { StepUpController } from './sessions/step-up.controller.js';
import { StepUp } from './sessions/step-up.js';
import { DemoUsers } from './setup/demo-users.js';
import { FirstAdministrator } from './setup/first-administrator.js';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';

/** People: accounts, roles, and how they sign in. Registers the strategy that the platform's guard asks. */
@Module({
  imports: [AuthModule, TypeOrmModule.forFeature([User])],
  controllers: [
    AccountRecoveryController,
    AssignmentsController,
    AuthController,
    InvitationsController,
    MeController,
    MySecondFactorsController,
    PasswordResetsController,
    PermissionsController,
    RegistrationController,
    RolesController,
    SessionsController,
    StepUpController,
    UsersController,
  ],
  providers: [
    { provide: APP_GUARD, useClass: SessionGuard },
    AccessTokens,
    AccountApproval,
    AccountCreation,
    AccountGate,
    AccountRecovery,
    AccountRemoval,
    AccountWriter,
    AdministratorNetworks,
    Administrators,
    Assignments,
    AssignmentsRepository,
    Authority,
    DemoUsers,
    DirectoryNames,
    FirstAdministrator,
    InvitationsRepository,
    InvitationsService,
    JwtStrategy,
    Login,
    LoginEvents,
    LoginThrottle,
    MyPassword,
    MySecondFactors,
    OneTimeTokens,
    PasskeyLogin,
    Passkeys,
    PasswordHasher,
    PasswordPolicy,
    PasswordResets,
    PendingSignIns,
    RecoveryCodes,
    RefreshTokens,
    PosixRanges,
    Registration,
    RelyingParty,
    RoleCatalogue,
    RoleGate,
    RoleSeeder,
    RolesService,
    SecondFactors,
    SecondStep,
    SessionDirectory,
    SessionList,
    SessionSweeper,
    SessionSweeperJob,
    SessionExpiry,
    Sessions,
    SignInSettings,
    SignIns,
    StepUp,
    Totp,
    UsersRepository,
    UsersService,
  ],
  exports: [
    LoginEvents,
    PosixRanges,
    AccountCreation,
    AccountGate,
    AccountRemoval,
    AccountWriter,
    AdministratorNetworks,
    Administrators,
    Assignments,
    Authority,
    FirstAdministrator,
    LoginThrottle,
    PasswordHasher,
    PasswordPolicy,
    PendingSignIns,
    RefreshTokens,
    RoleCatalogue,
    RoleSeeder,
    SecondFactors,
    SecondStep,
    SessionDirectory,
    SessionList,
    SessionSweeper,
    SessionSweeperJob,
    Sessions,
    SignInSettings,
    SignIns,
    StepUp,
    Totp,
    UsersRepository,
    UsersService,
  ],
})
export class UsersModule {}
