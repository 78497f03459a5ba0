import 'reflect-metadata';
import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  Min,
  validateSync,
  type ValidationError,
} from 'class-validator';

interface VariableDoc {
  name: string;
  text: string;
  defaultText: string;
  secret: boolean;
}

const documented = new Map<string, VariableDoc>();

/** What the configuration table in the manual says of a variable; the default is read off the class itself. */
function Doc(text: string, options: { secret?: boolean; defaultText?: string } = {}): PropertyDecorator {
  return (_target, key) => {
    documented.set(String(key), { name: String(key), text, defaultText: options.defaultText ?? '', secret: options.secret ?? false });
  };
}

const Int = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value));
const Bool = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value,
  );
const List = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string'
      ? value
          .split(',')
          .map((s) => s.trim())
          .filter((s) => s !== '')
      : value,
  );

const postgresUrl = { protocols: ['postgres', 'postgresql'], require_tld: false, require_protocol: true, require_host: false };

/** Every variable the program reads. A variable that is set but empty counts as absent. */
export class Environment {
  @Doc('`production` refuses weak secrets and demo data; `development` and `test` do not.')
  @IsIn(['development', 'production', 'test'])
  CADASTRE_ENV: 'development' | 'production' | 'test' = 'development';

  @Doc('Address to listen on.')
  @IsString()
  CADASTRE_HOST = '127.0.0.1';

  @Doc('Port to listen on; 0 takes a free one.')
  @Int()
  @IsInt()
  @Min(0)
  @Max(65535)
  CADASTRE_PORT = 8400;

  @Doc('Folder for the embedded database and generated keys; a relative path counts from the project.')
  @IsString()
  CADASTRE_VAR_DIR = 'var';

  @Doc('PostgreSQL 18 to use, as the application role. Absent: an embedded server under `CADASTRE_VAR_DIR`.', {
    secret: true,
    defaultText: 'embedded',
  })
  @IsOptional()
  @IsUrl(postgresUrl)
  DATABASE_URL?: string;

  @Doc('The same database as the owner of the schema, past any pooler: migrations use it.', { secret: true, defaultText: '`DATABASE_URL`' })
  @IsOptional()
  @IsUrl(postgresUrl)
  DATABASE_DIRECT_URL?: string;

  @Doc('Most connections this process opens.')
  @Int()
  @IsInt()
  @Min(2)
  @Max(500)
  DATABASE_POOL_MAX = 20;

  @Doc('Connections kept open when idle.')
  @Int()
  @IsInt()
  @Min(0)
  @Max(500)
  DATABASE_POOL_MIN = 2;

  @Doc('How long a request waits for a free connection before it is answered 503, in milliseconds.')
  @Int()
  @IsInt()
  @Min(50)
  @Max(60_000)
  DATABASE_POOL_TIMEOUT_MS = 3000;

  @Doc('Age at which a connection is replaced, in seconds.')
  @Int()
  @IsInt()
  @Min(10)
  @Max(86_400)
  DATABASE_POOL_RECYCLE_S = 1800;

  @Doc('Named prepared statements. Turn off for a PgBouncer older than 1.21.')
  @Bool()
  @IsBoolean()
  DATABASE_PREPARED = true;

  @Doc('Signing keys of access tokens, `kid:base64url` joined by commas, the first one signs, each of at least 32 bytes.', {
    secret: true,
    defaultText: 'made at first start',
  })
  @IsOptional()
  @Matches(/^[\w-]+:[\w-]+(,[\w-]+:[\w-]+)*$/, { message: 'must be kid:base64url pairs joined by commas' })
  CADASTRE_JWT_KEYS?: string;

  @Doc('Keys of what is stored encrypted, `kid:base64url` joined by commas, the first one seals, each of exactly 32 bytes.', {
    secret: true,
    defaultText: 'made at first start',
  })
  @IsOptional()
  @Matches(/^[\w-]{1,32}:[\w-]+(,[\w-]{1,32}:[\w-]+)*$/, { message: 'must be kid:base64url pairs joined by commas' })
  CADASTRE_SECRET_KEYS?: string;

  @Doc('Keys under which API keys are digested, `kid:base64url` joined by commas, the first one for new keys, each of at least 32 bytes.', {
    secret: true,
    defaultText: 'made at first start',
  })
  @IsOptional()
  @Matches(/^[\w-]{1,32}:[\w-]+(,[\w-]{1,32}:[\w-]+)*$/, { message: 'must be kid:base64url pairs joined by commas' })
  CADASTRE_PEPPER_KEYS?: string;

  @Doc('Keys of the audit writer’s MAC, base64url joined by commas, the first one for new events, each of at least 32 bytes.', {
    secret: true,
    defaultText: 'made at first start',
  })
  @IsOptional()
  @Matches(/^[\w-]+(,[\w-]+)*$/, { message: 'must be base64url, joined by commas' })
  CADASTRE_AUDIT_KEY?: string;

  @Doc(
    'Ed25519 keys of the audit log’s checkpoints, `kid:base64url` joined by commas, the first one signs, each a seed of exactly 32 bytes.',
    {
      secret: true,
      defaultText: 'made at first start',
    },
  )
  @IsOptional()
  @Matches(/^[\w-]{1,32}:[\w-]+(,[\w-]{1,32}:[\w-]+)*$/, { message: 'must be kid:base64url pairs joined by commas' })
  CADASTRE_AUDIT_SIGNING_KEYS?: string;

  @Doc('Folder where a copy of every checkpoint of the audit log is kept; best on a file system of another machine.', {
    defaultText: '`anchors` in `CADASTRE_VAR_DIR`',
  })
  @IsOptional()
  @IsString()
  CADASTRE_AUDIT_ANCHOR_DIR?: string;

  @Doc('Where every checkpoint of the audit log is posted, as text.', { defaultText: 'nowhere' })
  @IsOptional()
  @IsUrl({ protocols: ['http', 'https'], require_tld: false, require_protocol: true, require_host: true })
  CADASTRE_AUDIT_ANCHOR_URL?: string;

  @Doc('Most bytes of audited reads that this process keeps under `CADASTRE_VAR_DIR` while the database is away.')
  @Int()
  @IsInt()
  @Min(0)
  @Max(1_099_511_627_776)
  CADASTRE_AUDIT_SPOOL_LIMIT = 1_073_741_824;

  @Doc('A MaxMind DB file of countries or cities: the trail then says which country a request came from.', { defaultText: 'none' })
  @IsOptional()
  @IsString()
  CADASTRE_GEOIP_FILE?: string;

  @Doc('Lifetime of an access token, in seconds.')
  @Int()
  @IsInt()
  @Min(30)
  @Max(3600)
  CADASTRE_ACCESS_TOKEN_TTL_S = 900;

  @Doc('Absolute lifetime of a login, in seconds.')
  @Int()
  @IsInt()
  @Min(300)
  @Max(2_592_000)
  CADASTRE_SESSION_TTL_S = 43_200;

  @Doc('Where browsers reach this program, as an origin; sign-in from elsewhere returns there.', {
    defaultText: 'http://localhost and `CADASTRE_PORT`',
  })
  @IsOptional()
  @Matches(/^https?:\/\/[^/?#\s]+$/, { message: 'must be an origin such as https://cadastre.example.net' })
  CADASTRE_PUBLIC_URL?: string;

  @Doc('Proxies whose `X-Forwarded-For` is believed, as addresses or CIDRs joined by commas.', { defaultText: 'none' })
  @List()
  @IsString({ each: true })
  CADASTRE_TRUSTED_PROXIES: string[] = [];

  @Doc('Origins a browser may call from, joined by commas.', { defaultText: 'none' })
  @List()
  @Matches(/^https?:\/\/[^/]+$/, { each: true, message: 'must be origins such as https://console.example.net' })
  CADASTRE_CORS_ORIGINS: string[] = [];

  @Doc('Whether the interface is described under `/docs`, to anybody who asks.', { defaultText: '`true`; `false` in production' })
  @Bool()
  @IsOptional()
  @IsBoolean()
  CADASTRE_DOCS?: boolean;

  @Doc('Largest JSON body, in bytes.')
  @Int()
  @IsInt()
  @Min(1024)
  @Max(16_777_216)
  CADASTRE_BODY_LIMIT = 1_048_576;

  @Doc('Largest uploaded import file, in bytes.')
  @Int()
  @IsInt()
  @Min(1024)
  CADASTRE_UPLOAD_LIMIT = 268_435_456;

  @Doc('Redis that instances share rate limits through. Absent: each instance counts for itself.', { secret: true, defaultText: 'none' })
  @IsOptional()
  @IsUrl({ protocols: ['redis', 'rediss'], require_tld: false, require_protocol: true })
  CADASTRE_REDIS_URL?: string;

  @Doc('Settings that are fixed, whatever is stored: a JSON object of keys and values.', { secret: true, defaultText: 'none' })
  @IsOptional()
  @IsString()
  CADASTRE_PINNED_SETTINGS?: string;

  @Doc('Least level that is logged.')
  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
  CADASTRE_LOG_LEVEL: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent' = 'info';

  @Doc('`json`, `pretty`, or `auto`: pretty on a terminal.')
  @IsIn(['auto', 'json', 'pretty'])
  CADASTRE_LOG_FORMAT: 'auto' | 'json' | 'pretty' = 'auto';

  @Doc('Whether this process runs background jobs.')
  @Bool()
  @IsBoolean()
  CADASTRE_JOBS = true;
}

/** The configuration table, in the order of the class. */
export function variableDocs(): VariableDoc[] {
  const defaults = new Environment() as unknown as Record<string, unknown>;
  return [...documented.values()].map((doc) => ({ ...doc, defaultText: doc.defaultText || `\`${String(defaults[doc.name])}\`` }));
}

/** A refusal that names the variables and the rules they break, never their values: a start-up log is no place for a secret. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is refused:\n${problems.map((p) => `  - ${p}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Throws ConfigError. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const known = Object.fromEntries(
    Object.entries(variables).filter(([name, value]) => documented.has(name) && value !== undefined && value !== ''),
  );
  const unknown = Object.keys(variables).filter((name) => name.startsWith('CADASTRE_') && !documented.has(name));
  const environment = plainToInstance(Environment, known, { exposeDefaultValues: true });
  const problems = [
    ...unknown.map((name) => `${name}: there is no such variable`),
    ...validateSync(environment).map(
      (e: ValidationError) =>
        `${e.property}: ${Object.values(e.constraints ?? {})
          .join('; ')
          .replaceAll(`${e.property} `, '')}`,
    ),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return environment;
}
