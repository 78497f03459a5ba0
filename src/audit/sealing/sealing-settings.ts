/** How the sealer works; tests and benchmarks change the times. */
export class SealingSettings {
  everyMs = 1000;
  /** Events in one transaction. */
  batch = 5000;
  /** How often an idle log says that it is alive. */
  heartbeatSeconds = 60;
}
