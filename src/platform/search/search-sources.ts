import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { type Permission } from '../auth/permissions.js';
import { currentContext, type RequestContext, runInContext } from '../context/request-context.js';

/** Something that was found. */
export interface Hit {
  /** @example 'address' */
  type: string;
  id: string;
  title: string;
  /** What tells it from others of the same title. */
  subtitle: string;
  /** Where to read it. */
  path: string;
  /** How well it matches: more is better, comparable within one answer. */
  rank: number;
}

export interface SearchSource {
  type: string;
  /** Without it the source is not asked; where it is limited to networks, so is what is found. */
  permission: Permission;
  /** Best first, `limit` at most. `words` are in lower case, letters and digits only; each begins some word of what is found. */
  find(text: string, words: readonly string[], limit: number): Promise<Hit[]>;
}

export interface Found {
  items: Hit[];
  /** The types that were looked through; not the ones the caller may not read. */
  searched: string[];
}

const MOST_WORDS = 10;

/** What can be searched. Features register their sources in onModuleInit. */
@Injectable()
export class SearchSources {
  private readonly sources: SearchSource[] = [];

  register(source: SearchSource): void {
    if (this.sources.some(({ type }) => type === source.type)) throw new Error(`Two sources for the search type ${source.type}`);
    this.sources.push(source);
  }

  /** Throws `unknown_search_type`, or `nothing_to_search` when the text has neither letter nor digit. */
  async find(text: string, types: readonly string[] | undefined, limit: number): Promise<Found> {
    const unknown = types?.find((type) => !this.sources.some((source) => source.type === type));
    if (unknown !== undefined) throw refusal('?types', 'unknown_search_type', `There is no ${unknown} to search; there are ${this.types}.`);
    const words = (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, MOST_WORDS);
    if (words.length === 0) throw refusal('?q', 'nothing_to_search', 'Search for something with a letter or a digit.');
    const context = currentContext();
    const asked = this.sources.filter(
      ({ type, permission }) => (types?.includes(type) ?? true) && context?.principal?.permissions.has(permission) === true,
    );
    const found: Hit[] = [];
    for (const source of asked) found.push(...(await within(context, source, () => source.find(text, words, limit))));
    return {
      items: found.sort((a, b) => b.rank - a.rank || a.title.localeCompare(b.title)).slice(0, limit),
      searched: asked.map(({ type }) => type),
    };
  }

  private get types(): string {
    return this.sources.map(({ type }) => type).join(', ');
  }
}

/** Asks with the limits of the right to read this type, which may be narrower than those of the right to search. */
function within<T>(context: RequestContext | undefined, { permission }: SearchSource, ask: () => Promise<T>): Promise<T> {
  if (!context?.principal) return ask();
  const reading = { ...context };
  delete reading.scope;
  const scope = context.principal.scopes?.get(permission);
  if (scope) reading.scope = scope;
  return runInContext(reading, ask);
}

function refusal(pointer: string, code: string, detail: string): AppError {
  return new AppError('unparsable', code, detail, { errors: [{ pointer, code, detail }] });
}
