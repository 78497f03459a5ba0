/** How the sealer works; tests and benchmarks change the times. */
export class SealingSettings {
  everyMs = 1000;
  /** Events in one transaction. */
  batch = 5000;
  /** How often the log `meta` says that all of them are alive, and how large they are. */
  heartbeatSeconds = 60;
  /** How old the newest checkpoint of an idle log grows before it signs another one itself. */
  idleSeconds = 3600;
}
