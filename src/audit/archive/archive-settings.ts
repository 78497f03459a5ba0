import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { retentionHour } from '../../platform/retention/kept-days.js';
import { Settings } from '../../platform/settings/settings.js';
import { defineSetting } from '../../platform/settings/setting.js';
import { type ObjectStorage, type PutOptions } from '../../platform/storage/object-storage.js';
import { StorageRegistry } from '../../platform/storage/storage-registry.js';

const KIND = defineSetting<'local' | 's3'>({
  key: 'audit.archive.kind',
  type: 'string',
  enum: ['local', 's3'],
  default: 'local',
  text: 'Where archives of the audit trail are kept: in a folder, or in a bucket of a store that speaks S3.',
});
const DIRECTORY = defineSetting({
  key: 'audit.archive.directory',
  type: 'string',
  default: '',
  text: 'The folder of the archives; `archive` in the folder of variable files when empty.',
});
const text = (name: string, said: string, standard = ''): ReturnType<typeof defineSetting<string>> =>
  defineSetting({ key: `audit.archive.${name}`, type: 'string', default: standard, text: said });
const ENDPOINT = text('endpoint', 'The address of the S3 store of the archives, such as https://s3.eu-central-1.amazonaws.com.');
const REGION = text('region', 'The region of the S3 store of the archives.', 'us-east-1');
const BUCKET = text('bucket', 'The bucket of the archives.');
const PREFIX = text('prefix', 'What is put before the keys of the archives in their bucket.');
const ACCESS_KEY = text('accessKeyId', 'The id of the key to the S3 store of the archives.');
const SECRET_KEY = defineSetting({
  key: 'audit.archive.secretAccessKey',
  type: 'secret',
  text: 'The key to the S3 store of the archives.',
});
const PATH_STYLE = defineSetting({
  key: 'audit.archive.pathStyle',
  type: 'boolean',
  default: true,
  text: 'Whether the bucket of the archives is named in the path, as most stores other than Amazon’s want it.',
});
const STORAGE_CLASS = text(
  'storageClass',
  'The storage class of archives, such as STANDARD_IA or GLACIER_IR; that of the bucket when empty.',
);
const LOCK_MODE = defineSetting<'none' | 'governance' | 'compliance'>({
  key: 'audit.archive.lockMode',
  type: 'string',
  enum: ['none', 'governance', 'compliance'],
  default: 'none',
  text: 'How the store keeps anybody from removing an archive.',
});
const LOCK_DAYS = defineSetting({
  key: 'audit.archive.lockDays',
  type: 'integer',
  default: 365,
  min: 1,
  max: 36_500,
  unit: 'days',
  text: 'How long the store keeps anybody from removing an archive.',
});
const UNDO_DAYS = defineSetting({
  key: 'audit.archive.undoDays',
  type: 'integer',
  default: 7,
  min: 0,
  max: 365,
  unit: 'days',
  text: 'How long a month that was taken out of the database can be put back before its table is dropped.',
});
const DELETIONS = defineSetting({
  key: 'audit.archive.deletions',
  type: 'boolean',
  default: true,
  text: 'Whether what is past its time is removed for good: months that are kept without an archive, and archives.',
});
const ANCHORS = defineSetting({
  key: 'audit.archive.anchors',
  type: 'boolean',
  default: false,
  text: 'Whether every checkpoint of the trail is put into the store of the archives too.',
});

/** How a store is told to keep an archive. */
export type ArchiveKeeping = Pick<PutOptions, 'storageClass' | 'lock'>;

/** Where archives are, and what may happen to them. */
@Injectable()
export class ArchiveSettings {
  constructor(
    private readonly settings: Settings,
    private readonly registry: StorageRegistry,
    private readonly config: AppConfig,
  ) {}

  get anchors(): boolean {
    return this.settings.get(ANCHORS);
  }

  get undoDays(): number {
    return this.settings.get(UNDO_DAYS);
  }

  get deletions(): boolean {
    return this.settings.get(DELETIONS);
  }

  get hour(): number {
    return this.settings.get(retentionHour);
  }

  /** Where an export is prepared. */
  get spool(): string {
    return path.join(this.config.varDirectory, 'archiving');
  }

  async store(): Promise<ObjectStorage> {
    if (this.settings.get(KIND) === 's3')
      return this.registry.open({
        kind: 's3',
        endpoint: this.settings.get(ENDPOINT),
        region: this.settings.get(REGION),
        bucket: this.settings.get(BUCKET),
        ...(this.settings.get(PREFIX) === '' ? {} : { prefix: this.settings.get(PREFIX) }),
        accessKeyId: this.settings.get(ACCESS_KEY),
        secretAccessKey: this.settings.getSecret(SECRET_KEY) ?? '',
        pathStyle: this.settings.get(PATH_STYLE),
      } as { kind: string });
    const named = this.settings.get(DIRECTORY);
    const directory = named === '' ? path.join(this.config.varDirectory, 'archive') : named;
    // A folder that somebody named has to be there: a disk that is not mounted must not be taken for an empty one.
    if (named === '') await mkdir(directory, { recursive: true });
    return this.registry.open({ kind: 'local', directory } as { kind: string });
  }

  /** For objects that are put at this moment. */
  keeping(now: Date): ArchiveKeeping {
    const storageClass = this.settings.get(STORAGE_CLASS);
    const mode = this.settings.get(LOCK_MODE);
    const until = new Date(now.getTime() + this.settings.get(LOCK_DAYS) * 86_400_000);
    return { ...(storageClass === '' ? {} : { storageClass }), ...(mode === 'none' ? {} : { lock: { mode, until } }) };
  }
}
