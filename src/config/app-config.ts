import { isIP } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, type Environment, readEnvironment } from './environment.js';

/** The folder that holds package.json, whether this runs from src (tests) or from dist/src. */
export const projectRoot = path.resolve(fileURLToPath(import.meta.url), import.meta.url.includes('/dist/') ? '../../../..' : '../../..');

/** The configuration, validated once; nothing else reads the environment. A class, so that Nest can inject it. */
export class AppConfig {
  readonly env: 'development' | 'production' | 'test';
  readonly http: {
    host: string;
    port: number;
    /** The origin browsers see. */
    publicUrl: string;
    trustedProxies: readonly string[];
    corsOrigins: readonly string[];
    /** Whether the interface is described. */
    docs: boolean;
    bodyLimit: number;
    uploadLimit: number;
  };
  readonly varDirectory: string;
  readonly database: {
    /** Absent: the caller starts an embedded server and sets it. */
    url: string | undefined;
    directUrl: string | undefined;
    poolMax: number;
    poolMin: number;
    poolTimeoutMs: number;
    recycleSeconds: number;
    prepared: boolean;
  };
  readonly auth: {
    jwtKeys: string | undefined;
    secretKeys: string | undefined;
    pepperKeys: string | undefined;
    accessTokenSeconds: number;
    sessionSeconds: number;
  };
  readonly audit: {
    key: string | undefined;
    signingKeys: string | undefined;
    anchorDirectory: string;
    anchorUrl: string | undefined;
    /** Bytes. */
    spoolLimit: number;
    /** A MaxMind DB file. */
    geoIpFile: string | undefined;
  };
  readonly log: { level: string; pretty: boolean };
  readonly jobs: boolean;
  readonly redisUrl: string | undefined;
  /** By key; what the catalogue of settings says of them is found out at the start. */
  readonly pinnedSettings: Readonly<Record<string, unknown>>;

  constructor(e: Environment, terminal = false) {
    this.env = e.CADASTRE_ENV;
    this.http = {
      host: e.CADASTRE_HOST,
      port: e.CADASTRE_PORT,
      publicUrl: e.CADASTRE_PUBLIC_URL ?? `http://localhost:${e.CADASTRE_PORT}`,
      trustedProxies: e.CADASTRE_TRUSTED_PROXIES,
      corsOrigins: e.CADASTRE_CORS_ORIGINS,
      docs: e.CADASTRE_DOCS ?? e.CADASTRE_ENV !== 'production',
      bodyLimit: e.CADASTRE_BODY_LIMIT,
      uploadLimit: e.CADASTRE_UPLOAD_LIMIT,
    };
    this.varDirectory = path.resolve(projectRoot, e.CADASTRE_VAR_DIR);
    this.database = {
      url: e.DATABASE_URL,
      directUrl: e.DATABASE_DIRECT_URL ?? e.DATABASE_URL,
      poolMax: e.DATABASE_POOL_MAX,
      poolMin: e.DATABASE_POOL_MIN,
      poolTimeoutMs: e.DATABASE_POOL_TIMEOUT_MS,
      recycleSeconds: e.DATABASE_POOL_RECYCLE_S,
      prepared: e.DATABASE_PREPARED,
    };
    this.auth = {
      jwtKeys: e.CADASTRE_JWT_KEYS,
      secretKeys: e.CADASTRE_SECRET_KEYS,
      pepperKeys: e.CADASTRE_PEPPER_KEYS,
      accessTokenSeconds: e.CADASTRE_ACCESS_TOKEN_TTL_S,
      sessionSeconds: e.CADASTRE_SESSION_TTL_S,
    };
    this.audit = {
      key: e.CADASTRE_AUDIT_KEY,
      signingKeys: e.CADASTRE_AUDIT_SIGNING_KEYS,
      anchorDirectory: path.resolve(projectRoot, e.CADASTRE_AUDIT_ANCHOR_DIR ?? path.join(this.varDirectory, 'anchors')),
      anchorUrl: e.CADASTRE_AUDIT_ANCHOR_URL,
      spoolLimit: e.CADASTRE_AUDIT_SPOOL_LIMIT,
      geoIpFile: e.CADASTRE_GEOIP_FILE === undefined ? undefined : path.resolve(projectRoot, e.CADASTRE_GEOIP_FILE),
    };
    this.log = {
      level: e.CADASTRE_LOG_LEVEL,
      pretty: e.CADASTRE_LOG_FORMAT === 'pretty' || (e.CADASTRE_LOG_FORMAT === 'auto' && terminal),
    };
    this.jobs = e.CADASTRE_JOBS;
    this.redisUrl = e.CADASTRE_REDIS_URL;
    this.pinnedSettings = pinsOf(e) ?? {};
  }

  /** The same configuration on this database; `directUrl` is its owner's. */
  withDatabase(url: string, directUrl: string): AppConfig {
    return Object.assign(Object.create(AppConfig.prototype) as AppConfig, this, { database: { ...this.database, url, directUrl } });
  }
}

/** Throws ConfigError, naming variables and rules, never values. */
export function loadConfig(variables: Readonly<Record<string, string | undefined>>, terminal = false): AppConfig {
  const environment = readEnvironment(variables);
  const problems = [...secretProblems(environment), ...proxyProblems(environment), ...pinProblems(environment)];
  if (problems.length > 0) throw new ConfigError(problems);
  return new AppConfig(environment, terminal);
}

const wellKnown = /^(.)\1*$|change.?me|secret|password|example|default|1234/i;

function secretProblems(e: Environment): string[] {
  const problems: string[] = [];
  const rings = ['CADASTRE_JWT_KEYS', 'CADASTRE_SECRET_KEYS', 'CADASTRE_PEPPER_KEYS', 'CADASTRE_AUDIT_SIGNING_KEYS'] as const;
  const exact: readonly string[] = ['CADASTRE_SECRET_KEYS', 'CADASTRE_AUDIT_SIGNING_KEYS'];
  const keys = rings.flatMap((name) =>
    (e[name]?.split(',') ?? []).map((pair): [string, string] => [name, pair.slice(pair.indexOf(':') + 1)]),
  );
  for (const key of e.CADASTRE_AUDIT_KEY?.split(',') ?? []) keys.push(['CADASTRE_AUDIT_KEY', key]);
  for (const [name, key] of keys) {
    const bytes = Buffer.from(key, 'base64url');
    if (exact.includes(name) && bytes.length !== 32) problems.push(`${name}: a key is not 32 bytes`);
    else if (bytes.length < 32) problems.push(`${name}: a key is shorter than 32 bytes`);
    else if (e.CADASTRE_ENV === 'production' && (wellKnown.test(bytes.toString('latin1')) || new Set(bytes).size < 12))
      problems.push(`${name}: a key is not random`);
  }
  if (e.CADASTRE_ENV === 'production' && e.DATABASE_URL !== undefined) {
    const password = decodeURIComponent(new URL(e.DATABASE_URL).password);
    if (password !== '' && (password.length < 12 || wellKnown.test(password))) problems.push('DATABASE_URL: the password is weak');
  }
  return problems;
}

function proxyProblems(e: Environment): string[] {
  const bad = e.CADASTRE_TRUSTED_PROXIES.filter((entry) => {
    const [address = '', length] = entry.split('/');
    const family = isIP(address);
    return family === 0 || (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128)));
  });
  return bad.length > 0 ? ['CADASTRE_TRUSTED_PROXIES: must be addresses or CIDRs'] : [];
}

function pinProblems(e: Environment): string[] {
  return pinsOf(e) ? [] : ['CADASTRE_PINNED_SETTINGS: must be a JSON object'];
}

/** Undefined when it cannot be read. */
function pinsOf({ CADASTRE_PINNED_SETTINGS: text = '{}' }: Environment): Record<string, unknown> | undefined {
  try {
    const pins: unknown = JSON.parse(text);
    return typeof pins === 'object' && pins !== null && !Array.isArray(pins) ? (pins as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
