import { type MigrationInterface, type QueryRunner } from 'typeorm';

/** What accounts have besides a name: kinds, POSIX attributes, groups, invitations; roles with a version. */
export class ExtendAccounts1793000000610 implements MigrationInterface {
  name = 'ExtendAccounts1793000000610';

  async up(q: QueryRunner): Promise<void> {
    await this.createNumbers(q);
    await q.query(`
      CREATE TABLE groups (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        name text NOT NULL CONSTRAINT groups_name_form CHECK (name ~ '^[a-z_][a-z0-9_-]{0,31}$'),
        gid_number int NOT NULL CONSTRAINT groups_gid_number_range CHECK (gid_number >= 1000),
        description text NOT NULL DEFAULT '',
        version int NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT groups_name_unique UNIQUE (name),
        CONSTRAINT groups_gid_number_unique UNIQUE (gid_number)
      )`);
    await q.query(
      'CREATE TRIGGER groups_claim_number BEFORE INSERT OR UPDATE OF gid_number ON groups FOR EACH ROW EXECUTE FUNCTION posix_claim()',
    );
    // The table is small and the new columns are constant or null: no row is rewritten.
    await q.query(`
      ALTER TABLE users
        ADD COLUMN kind text NOT NULL DEFAULT 'person' CONSTRAINT users_kind CHECK (kind IN ('person', 'service')),
        ADD COLUMN owner_id uuid CONSTRAINT users_owner REFERENCES users (id),
        ADD COLUMN email_verified boolean NOT NULL DEFAULT false,
        ADD COLUMN pending boolean NOT NULL DEFAULT false,
        ADD COLUMN anonymised_at timestamptz,
        ADD COLUMN uid_number int CONSTRAINT users_uid_number_range CHECK (uid_number >= 1000),
        ADD COLUMN gid_number int CONSTRAINT users_gid_number REFERENCES groups (gid_number),
        ADD COLUMN login_shell text CONSTRAINT users_login_shell_form CHECK (login_shell ~ '^/[A-Za-z0-9._/+-]{0,254}$'),
        ADD COLUMN home_directory text CONSTRAINT users_home_directory_form CHECK (home_directory ~ '^/[A-Za-z0-9._/+-]{0,254}$'),
        ADD CONSTRAINT users_uid_number_unique UNIQUE (uid_number),
        ADD CONSTRAINT users_service_prefix CHECK (kind = 'person' OR anonymised_at IS NOT NULL OR starts_with(username, 'svc-')),
        ADD CONSTRAINT users_service_has_no_password CHECK (kind = 'person' OR (password_hash IS NULL AND NOT must_change_password)),
        ADD CONSTRAINT users_owner_of_service CHECK (kind = 'service' OR owner_id IS NULL),
        ADD CONSTRAINT users_pending_is_inactive CHECK (NOT (pending AND active)),
        ADD CONSTRAINT users_anonymised_is_empty CHECK (anonymised_at IS NULL
          OR (NOT active AND NOT pending AND password_hash IS NULL AND email IS NULL AND display_name = '' AND home_directory IS NULL))`);
    await q.query(
      'CREATE TRIGGER users_claim_number BEFORE INSERT OR UPDATE OF uid_number ON users FOR EACH ROW EXECUTE FUNCTION posix_claim()',
    );
    // What a user owns, asked when they are to be deleted.
    await q.query('CREATE INDEX users_owner ON users (owner_id) WHERE owner_id IS NOT NULL');
    // Whose primary group it is, asked when the group is to be deleted.
    await q.query('CREATE INDEX users_gid_number ON users (gid_number) WHERE gid_number IS NOT NULL');
    await q.query(`
      CREATE TABLE group_members (
        group_id uuid NOT NULL CONSTRAINT group_members_group REFERENCES groups (id) ON DELETE CASCADE,
        user_id uuid NOT NULL CONSTRAINT group_members_user REFERENCES users (id) ON DELETE CASCADE,
        added_by text NOT NULL,
        added_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT group_members_key PRIMARY KEY (group_id, user_id)
      )`);
    // The groups of a user.
    await q.query('CREATE INDEX group_members_user ON group_members (user_id)');
    await q.query(`
      ALTER TABLE roles
        ADD COLUMN version int NOT NULL DEFAULT 1,
        ADD COLUMN created_by text NOT NULL DEFAULT 'system'`);
    // A row is an invitation that is still open: who accepts or revokes it takes it away, and with it the address.
    await q.query(`
      CREATE TABLE invitations (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL DEFAULT uuidv7(),
        email text NOT NULL CONSTRAINT invitations_email_length CHECK (length(email) BETWEEN 3 AND 254),
        roles text[] NOT NULL CONSTRAINT invitations_roles_number CHECK (cardinality(roles) BETWEEN 1 AND 50),
        token_hash bytea NOT NULL CONSTRAINT invitations_token_size CHECK (octet_length(token_hash) = 32),
        invited_by text NOT NULL,
        inviter_id uuid CONSTRAINT invitations_inviter REFERENCES users (id) ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CONSTRAINT invitations_token_unique UNIQUE (token_hash)
      )`);
    await q.query('CREATE UNIQUE INDEX invitations_email_unique ON invitations (lower(email))');
    await q.query('CREATE INDEX invitations_inviter ON invitations (inviter_id)');
    await q.query(`
      CREATE TABLE user_bulk_runs (
        id uuid PRIMARY KEY DEFAULT uuidv7(),
        user_id uuid NOT NULL CONSTRAINT user_bulk_runs_user REFERENCES users (id) ON DELETE CASCADE,
        begun_at timestamptz NOT NULL DEFAULT now()
      )`);
    // How many a user began within the hour.
    await q.query('CREATE INDEX user_bulk_runs_user ON user_bulk_runs (user_id, begun_at)');
  }

  /** Numbers that were ever given stay listed, so that a file left behind by somebody never becomes somebody else's. */
  private async createNumbers(q: QueryRunner): Promise<void> {
    await q.query(`
      CREATE TABLE posix_counters (
        counter text PRIMARY KEY CONSTRAINT posix_counters_counter CHECK (counter IN ('person', 'service', 'group')),
        next int NOT NULL
      )`);
    await q.query(`INSERT INTO posix_counters (counter, next) VALUES ('person', 0), ('service', 0), ('group', 0)`);
    await q.query(`
      CREATE TABLE posix_numbers (
        space text NOT NULL CONSTRAINT posix_numbers_space CHECK (space IN ('uid', 'gid')),
        number int NOT NULL,
        holder uuid NOT NULL,
        given_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT posix_numbers_key PRIMARY KEY (space, number)
      )`);
    // The counter's row is the lock: callers take turns, and one that rolls back gives its number back.
    await q.query(`
      CREATE FUNCTION posix_next(which text, first_number int, last_number int) RETURNS int LANGUAGE plpgsql AS $$
      DECLARE
        n int;
      BEGIN
        LOOP
          UPDATE posix_counters SET next = greatest(next, first_number) + 1
           WHERE counter = which AND greatest(next, first_number) <= last_number
          RETURNING next - 1 INTO n;
          IF NOT FOUND THEN
            IF which = 'group' THEN
              RAISE SQLSTATE 'CD409' USING MESSAGE = 'gid_numbers_exhausted', DETAIL = 'Every number of the range for groups has been given.';
            END IF;
            RAISE SQLSTATE 'CD409' USING MESSAGE = 'uid_numbers_exhausted', DETAIL = 'Every number of the range for such accounts has been given.';
          END IF;
          EXIT WHEN NOT EXISTS (SELECT FROM posix_numbers p
                                 WHERE p.space = CASE which WHEN 'group' THEN 'gid' ELSE 'uid' END AND p.number = n);
        END LOOP;
        RETURN n;
      END $$`);
    await q.query(`
      CREATE FUNCTION posix_claim() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        wanted_space text := CASE TG_TABLE_NAME WHEN 'groups' THEN 'gid' ELSE 'uid' END;
        wanted int := CASE TG_TABLE_NAME WHEN 'groups' THEN (to_jsonb(NEW) ->> 'gid_number')::int ELSE (to_jsonb(NEW) ->> 'uid_number')::int END;
      BEGIN
        IF wanted IS NULL THEN
          RETURN NEW;
        END IF;
        INSERT INTO posix_numbers (space, number, holder) VALUES (wanted_space, wanted, NEW.id) ON CONFLICT DO NOTHING;
        IF EXISTS (SELECT FROM posix_numbers p WHERE p.space = wanted_space AND p.number = wanted AND p.holder = NEW.id) THEN
          RETURN NEW;
        END IF;
        IF wanted_space = 'gid' THEN
          RAISE SQLSTATE 'CD409' USING MESSAGE = 'gid_number_taken', DETAIL = 'This number is, or was, another group''s.', HINT = '{"pointer":"/gidNumber"}';
        END IF;
        RAISE SQLSTATE 'CD409' USING MESSAGE = 'uid_number_taken', DETAIL = 'This number is, or was, another account''s.', HINT = '{"pointer":"/uidNumber"}';
      END $$`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query('DROP TABLE user_bulk_runs, invitations, group_members');
    await q.query('ALTER TABLE roles DROP COLUMN version, DROP COLUMN created_by');
    await q.query('DROP TRIGGER users_claim_number ON users');
    await q.query(`
      ALTER TABLE users
        DROP COLUMN kind, DROP COLUMN owner_id, DROP COLUMN email_verified, DROP COLUMN pending, DROP COLUMN anonymised_at,
        DROP COLUMN uid_number, DROP COLUMN gid_number, DROP COLUMN login_shell, DROP COLUMN home_directory`);
    await q.query('DROP TABLE groups');
    await q.query('DROP FUNCTION posix_claim, posix_next');
    await q.query('DROP TABLE posix_numbers, posix_counters');
  }
}
