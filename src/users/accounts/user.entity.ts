import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import { type AccountKind } from './account.js';

/** A person's account or a program's. Usernames are lower case and change only when their owner is forgotten: the trail keeps them. */
@Entity({ name: 'users' })
@Check('users_username_form', `username ~ '^[a-z0-9][a-z0-9._-]{0,63}$'`)
@Check('users_email_length', 'length(email) BETWEEN 3 AND 254')
@Check('users_kind', `kind IN ('person', 'service')`)
export class User {
  @PrimaryColumn('uuid', { default: () => 'uuidv7()' })
  id!: string;

  @Column({ type: 'text' })
  username!: string;

  /** A service is a program: no password opens its account, its keys do. */
  @Column({ type: 'text', default: 'person' })
  kind!: AccountKind;

  /** Who answers for a service. */
  @Column({ name: 'owner_id', type: 'uuid', nullable: true })
  ownerId!: string | null;

  @Column({ type: 'text', nullable: true })
  email!: string | null;

  /** Came by a link that was sent to the address. */
  @Column({ name: 'email_verified', type: 'boolean', default: false })
  emailVerified!: boolean;

  @Column({ name: 'display_name', type: 'text', default: '' })
  displayName!: string;

  /** A PHC string. Null: no password opens this account. Never selected unless asked for. */
  @Column({ name: 'password_hash', type: 'text', nullable: true, select: false })
  passwordHash!: string | null;

  @Column({ name: 'must_change_password', type: 'boolean', default: false })
  mustChangePassword!: boolean;

  @Column({ type: 'boolean', default: true })
  active!: boolean;

  /** Registered, and not approved yet. */
  @Column({ type: 'boolean', default: false })
  pending!: boolean;

  @Column({ name: 'anonymised_at', type: 'timestamptz', nullable: true })
  anonymisedAt!: Date | null;

  @Column({ name: 'uid_number', type: 'int', nullable: true })
  uidNumber!: number | null;

  /** Of the primary group. */
  @Column({ name: 'gid_number', type: 'int', nullable: true })
  gidNumber!: number | null;

  @Column({ name: 'login_shell', type: 'text', nullable: true })
  loginShell!: string | null;

  @Column({ name: 'home_directory', type: 'text', nullable: true })
  homeDirectory!: string | null;

  @Column({ name: 'last_login_at', type: 'timestamptz', nullable: true })
  lastLoginAt!: Date | null;

  @Column({ name: 'password_changed_at', type: 'timestamptz', nullable: true })
  passwordChangedAt!: Date | null;

  @Column({ type: 'int', default: 1 })
  version!: number;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'created_by', type: 'text', default: 'system' })
  createdBy!: string;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
