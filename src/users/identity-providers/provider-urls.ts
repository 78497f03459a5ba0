import { type AppConfig } from '../../config/app-config.js';
import { type Provider } from './provider.js';

/** Addresses that a provider is told: of the configured origin, whatever a request's Host header says. */
export function providerUrl(config: AppConfig, { slug }: Pick<Provider, 'slug'>, route: string): string {
  return `${config.http.publicUrl}/api/v1/auth/providers/${slug}/${route}`;
}

export function callbackUrl(config: AppConfig, provider: Pick<Provider, 'slug'>): string {
  return providerUrl(config, provider, 'callback');
}
