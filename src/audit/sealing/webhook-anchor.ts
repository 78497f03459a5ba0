import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { Anchor, type PublishedCheckpoint } from './anchor.js';

const TIMEOUT_MS = 5000;

/** Posts every checkpoint to CADASTRE_AUDIT_ANCHOR_URL; anything but 2xx is tried again. */
@Injectable()
export class WebhookAnchor extends Anchor {
  readonly name = 'webhook';

  constructor(private readonly config: AppConfig) {
    super();
  }

  get configured(): boolean {
    return this.config.audit.anchorUrl !== undefined;
  }

  async publish({ note }: PublishedCheckpoint): Promise<void> {
    const status = await post(this.config.audit.anchorUrl ?? '', note);
    if (status < 200 || status > 299) throw new Error(`The checkpoint was answered ${status}.`);
  }
}

/** The only place that speaks to the outside. */
async function post(url: string, body: string): Promise<number> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await answer.body?.cancel();
  return answer.status;
}
