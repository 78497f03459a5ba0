import { Injectable } from '@nestjs/common';
import { type Setting } from '../settings/setting.js';

/** Rows that are older than they need be. */
export interface Expirable {
  /** What would go now. */
  due: number;
  /** What is as old, and stays because of a legal hold. */
  held: number;
}

/** Something that is kept for some days and no longer. */
export interface Expiry {
  /** @example 'sessions' */
  name: string;
  /** One sentence for who sets the days. */
  text: string;
  days: Setting<number>;
  count(before: Date): Promise<Expirable>;
  /** Removes at most `limit` of what is older, in one transaction of its own, and returns how many. Fewer than `limit`: there is no more. */
  expire(before: Date, limit: number): Promise<number>;
}

/** What expires beside the trail. Features register theirs in onModuleInit; the run of every night is the trail's, which records it. */
@Injectable()
export class Expiries {
  private readonly registered: Expiry[] = [];

  register(...expiries: Expiry[]): void {
    for (const expiry of expiries) {
      if (this.registered.some(({ name }) => name === expiry.name)) throw new Error(`Two expiries of the name ${expiry.name}`);
      this.registered.push(expiry);
    }
  }

  /** By name. */
  get all(): readonly Expiry[] {
    return [...this.registered].sort((a, b) => a.name.localeCompare(b.name));
  }
}
