import { AppError } from '../../kernel/app-error.js';

const SOMEWHERE = 'http://origin.invalid';

/** A path of our own origin and nothing that a browser could take for another one. Throws `bad_return_to`. */
export function localPath(returnTo: string): string {
  const plain = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(returnTo) && URL.canParse(returnTo, SOMEWHERE);
  if (!plain || new URL(returnTo, SOMEWHERE).origin !== SOMEWHERE)
    throw AppError.field('/returnTo', 'bad_return_to', 'Say a path of this site, such as /pools.');
  return returnTo;
}

export function withCode(path: string, code: string): string {
  const url = new URL(path, SOMEWHERE);
  url.searchParams.set('code', code);
  return `${url.pathname}${url.search}${url.hash}`;
}
