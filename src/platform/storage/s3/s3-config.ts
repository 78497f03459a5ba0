/** Any store that speaks S3. */
export interface S3Config {
  kind: 's3';
  /** @example 'https://s3.eu-central-1.amazonaws.com' */
  endpoint: string;
  region: string;
  bucket: string;
  /** Before every key, followed by a slash; keys are told and listed without it. */
  prefix?: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The bucket in the path, as most stores other than Amazon's want it, rather than in the host's name. */
  pathStyle: boolean;
  /** For objects that name none. */
  storageClass?: string;
  /** Trusted besides what this machine trusts; PEM. */
  ca?: string;
}
