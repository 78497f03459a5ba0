const NETWORK = /^(E[A-Z]+|UND_ERR_\w+|[A-Z_]*CERT[A-Z_]*)$/;

/** Whether an error, or what caused it, is the network's: then nobody has answered anything. */
export function isAway(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name === 'TimeoutError' || cause.name === 'AbortError' || cause.message === 'fetch failed') return true;
    if ('code' in cause && typeof cause.code === 'string' && NETWORK.test(cause.code)) return true;
  }
  return false;
}
