/** Who writes what the log says about itself. */
export const SEALER = { kind: 'system', id: 'sealer', name: 'sealer' };
