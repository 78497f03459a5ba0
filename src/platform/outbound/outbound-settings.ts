import { type Json } from '../../kernel/canonical-json.js';
import { parseNetwork } from '../../kernel/ip-address.js';
import { defineSetting, type Fault } from '../settings/setting.js';

const MOST_NETWORKS = 100;

export const allowedNetworks = defineSetting<string[]>({
  key: 'outbound.allowedNetworks',
  type: 'json',
  default: [],
  text: 'Networks outside of the public Internet that this server may connect to all the same, such as the one of the directory, as a list of CIDRs.',
  validate: networksFault,
});

export const timeoutMs = defineSetting({
  key: 'outbound.timeoutMs',
  type: 'integer',
  default: 10_000,
  min: 100,
  max: 60_000,
  unit: 'milliseconds',
  text: 'How long a server that is connected to may take for its whole answer.',
});

function networksFault(value: Json): Fault | undefined {
  if (!Array.isArray(value) || value.length > MOST_NETWORKS)
    return { pointer: '', detail: `must be a list of at most ${MOST_NETWORKS} CIDRs` };
  const wrong = value.findIndex((item) => typeof item !== 'string' || !parseNetwork(item));
  return wrong === -1 ? undefined : { pointer: `/${wrong}`, detail: 'must hold CIDRs without host bits, such as 10.20.0.0/16' };
}
