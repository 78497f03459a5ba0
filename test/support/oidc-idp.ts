import { createHash, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';

interface Waiting {
  idToken: string;
  challenge: string;
}

export interface OidcAnswerOptions {
  /** Members of the ID token to add, replace, or with undefined leave out. */
  claims?: Record<string, unknown>;
  /** Signs with this instead. */
  key?: KeyObject;
  /** `none`: no signature at all. */
  algorithm?: 'none' | 'RS256';
}

/** As little of an OpenID provider as a sign-in needs, and it says in the ID token whatever a test wants. */
export class OidcIdp {
  private readonly pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  private readonly waiting = new Map<string, Waiting>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OidcIdp> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    server.on('connection', (socket) => socket.unref());
    const idp = new OidcIdp(server);
    server.on('request', (request, response) => {
      void idp.serve(request, response);
    });
    return idp;
  }

  get issuer(): string {
    // A server that listens on TCP has an address and a port.
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What it would put behind the callback's question mark for a browser sent to that address. */
  answer(authorizationUrl: string, { claims = {}, key = this.pair.privateKey, algorithm = 'RS256' }: OidcAnswerOptions = {}): string {
    const query = new URL(authorizationUrl).searchParams;
    const code = randomBytes(16).toString('hex');
    const payload = { iss: this.issuer, aud: query.get('client_id'), sub: 'ada', nonce: query.get('nonce'), ...times(), ...claims };
    this.waiting.set(code, { idToken: this.token(payload, key, algorithm), challenge: query.get('code_challenge') ?? '' });
    return new URLSearchParams({ code, state: query.get('state') ?? '', iss: this.issuer }).toString();
  }

  logoutToken(clientId: string, claims: Record<string, unknown>, header: object = { typ: 'logout+jwt' }): string {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    const payload = { iss: this.issuer, aud: clientId, ...times(), jti: randomBytes(8).toString('hex'), events, ...claims };
    return this.token(payload, this.pair.privateKey, 'RS256', header);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private token(payload: object, key: KeyObject, algorithm: 'none' | 'RS256', header: object = {}): string {
    return jwt.sign(JSON.parse(JSON.stringify(payload)) as object, algorithm === 'none' ? '' : key, {
      algorithm,
      header: { alg: algorithm, kid: 'one', ...header },
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = (request.url ?? '').split('?');
    const body = path === '/token' ? this.redeem(new URLSearchParams(await textOf(request))) : this.document(path);
    response.writeHead(body === undefined ? 404 : 'error' in body ? 400 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  }

  private document(path: string | undefined): object | undefined {
    const { issuer } = this;
    if (path === '/.well-known/openid-configuration')
      return {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        authorization_response_iss_parameter_supported: true,
      };
    return path === '/keys'
      ? { keys: [{ ...this.pair.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] }
      : undefined;
  }

  /** Once for each code, and only for who knows the verifier. */
  private redeem(form: URLSearchParams): object {
    const waiting = this.waiting.get(form.get('code') ?? '');
    this.waiting.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (waiting?.challenge !== challenge) return { error: 'invalid_grant' };
    return { access_token: 'of no use', token_type: 'Bearer', expires_in: 60, id_token: waiting.idToken };
  }
}

function times(): { iat: number; exp: number } {
  const iat = Math.floor(Date.now() / 1000);
  return { iat, exp: iat + 300 };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
