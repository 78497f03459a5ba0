export class DatabaseCheck {
  status!: 'up' | 'down';
  /** How long it took to answer. */
  ms!: number;
}

export class MigrationsCheck {
  status!: 'applied' | 'pending' | 'unknown';
  /** How many are not applied; null while the database does not answer. */
  pending!: number | null;
}

export class HealthChecks {
  database!: DatabaseCheck;
  migrations!: MigrationsCheck;
}

export class HealthView {
  status!: 'ready' | 'starting' | 'unavailable' | 'stopping';
  checks!: HealthChecks;
}

export class LiveView {
  status!: 'live';
}

export class VersionView {
  name!: string;
  version!: string;
  startedAt!: string;
}
