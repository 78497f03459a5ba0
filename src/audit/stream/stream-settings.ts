import { Injectable } from '@nestjs/common';

/** How the trail is followed; tests shorten the times. */
@Injectable()
export class StreamSettings {
  pollMs = 1000;
  /** Something is sent at least this often, so that proxies keep the connection. */
  heartbeatMs = 15_000;
  /** How often it is asked whether the caller may still listen. */
  recheckMs = 2000;
  /** Whoever is behind by more misses what lies between, and is told how much. */
  mostBehind = 5000;
  /** Streams of one user at this instance. */
  mostPerUser = 4;
}
