import { randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { isFileError } from '../sealing/file-error.js';

/** Somebody whose keys were destroyed. */
export interface Erased {
  subject: string;
  keys: string[];
}

/**
 * Which keys were destroyed, kept outside of the database beside the anchors: a restored copy of the database has them again, and does not
 * know better.
 */
@Injectable()
export class ErasureList {
  private readonly folder: string;

  constructor(config: AppConfig) {
    this.folder = path.join(config.audit.anchorDirectory, 'erasures');
  }

  /** One file for each erasure, named by its first key; made once. */
  async add({ subject, keys }: Erased): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = path.join(this.folder, `${keys[0] ?? subject}.json`);
    const draft = `${file}.${randomBytes(4).toString('hex')}.draft`;
    await writeFile(draft, JSON.stringify({ subject, keys }), { flag: 'wx', mode: 0o444, flush: true });
    try {
      await link(draft, file);
    } catch (error) {
      if (!isFileError(error, 'EEXIST')) throw error;
    } finally {
      await rm(draft, { force: true });
    }
  }

  async all(): Promise<Erased[]> {
    const names = await readdir(this.folder).catch((error: unknown) => {
      if (isFileError(error, 'ENOENT')) return [];
      throw error;
    });
    const erased: Erased[] = [];
    for (const name of names.filter((one) => one.endsWith('.json')).sort())
      // Of this form: add() wrote it.
      erased.push(JSON.parse(await readFile(path.join(this.folder, name), 'utf8')) as Erased);
    return erased;
  }
}
