import { type FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/app-error.js';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * A browser sends the console's cookie by itself, also when another site's page makes it call. What changes something has to come from our
 * own pages: Sec-Fetch-Site says so, or in older browsers Origin. Throws `cross_site`.
 */
export function requireSameOrigin(request: FastifyRequest, allowed: readonly string[]): void {
  if (SAFE.has(request.method)) return;
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin !== undefined && allowed.includes(origin)) return;
  const same =
    typeof site === 'string' ? site === 'same-origin' || site === 'none' : origin !== undefined && hostOf(origin) === request.host;
  if (!same) throw new AppError('forbidden', 'cross_site', 'A page of another site may not use the console’s session.');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
