import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountCreation } from './accounts/account-creation.js';
import { Administrators } from './accounts/administrators.js';
import { User } from './accounts/user.entity.js';
import { UsersController } from './accounts/users.controller.js';
import { UsersRepository } from './accounts/users.repository.js';
import { UsersService } from './accounts/users.service.js';
import { RoleCatalogue } from './roles/role-catalogue.js';
import { RoleSeeder } from './roles/role-seeder.js';
import { RolesController } from './roles/roles.controller.js';
import { AccessTokens } from './sessions/access-tokens.js';
import { AuthController } from './sessions/auth.controller.js';
import { JwtStrategy } from './sessions/jwt.strategy.js';
import { LoginEvents } from './sessions/login-events.js';
import { Login } from './sessions/login.js';
import { MeController } from './sessions/me.controller.js';
import { MyPassword } from './sessions/my-password.js';
import { PasswordHasher } from './sessions/password-hasher.js';
import { RefreshTokens } from './sessions/refresh-tokens.js';
import { SessionDirectory } from './sessions/session-directory.js';
import { Sessions } from './sessions/sessions.js';
import { FirstAdministrator } from './setup/first-administrator.js';

/** People: accounts, roles, and how they sign in. Registers the strategy that the platform's guard asks. */
@Module({
  imports: [TypeOrmModule.forFeature([User])],
  controllers: [AuthController, MeController, RolesController, UsersController],
  providers: [
    AccessTokens,
    AccountCreation,
    Administrators,
    FirstAdministrator,
    JwtStrategy,
    Login,
    LoginEvents,
    MyPassword,
    PasswordHasher,
    RefreshTokens,
    RoleCatalogue,
    RoleSeeder,
    SessionDirectory,
    Sessions,
    UsersRepository,
    UsersService,
  ],
  exports: [FirstAdministrator, RoleSeeder],
})
export class UsersModule {}
