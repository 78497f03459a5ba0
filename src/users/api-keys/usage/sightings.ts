/** Uses of a key in an hour that have route, outcome and network in common. */
export interface Use {
  keyId: string;
  hour: Date;
  route: string;
  statusClass: number;
  prefix: string;
  n: number;
  msSum: number;
  msMax: number;
  buckets: number[];
  lastAt: Date;
  address: string;
}

export interface Denial {
  keyId: string;
  kind: 'permission' | 'secret';
  minute: Date;
  n: number;
}

export interface Sightings {
  uses: Use[];
  denials: Denial[];
  /** Credentials whose text or checksum was wrong, or that named no key. */
  junk: number;
}
