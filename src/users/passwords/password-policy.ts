import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/app-error.js';
import { SignInSettings } from '../sessions/sign-in-settings.js';
import { commonPasswords } from './common-passwords.js';

/** Whose password it is to be: what others know of them is what they try. */
export interface Person {
  username: string;
  email?: string | null | undefined;
  displayName?: string | null | undefined;
}

interface Rules {
  shortest: number;
  contextWords: readonly string[];
}

const LONGEST = 256;
const FEWEST_DIFFERENT = 5;
/** A name of three letters is in too many sentences to mean anything. */
const SHORTEST_WORD = 4;
const PRODUCT = 'cadastre';

/** The policy with the settings in force. */
@Injectable()
export class PasswordPolicy {
  constructor(private readonly settings: SignInSettings) {}

  /** Throws what requireGoodPassword() throws. */
  require(password: string, person: Person, pointer: string): void {
    const { passwordShortest: shortest, passwordContextWords: contextWords } = this.settings;
    requireGoodPassword(password, person, pointer, { shortest, contextWords });
  }
}

/**
 * Length, not being a common one, and not being made of what is known of its owner; no rules of composition, no expiry
 * (NIST SP 800-63B-4 §3.1.1.2). Counted in code points. Throws `password_too_short`, `password_too_long`, `password_has_username`,
 * `password_has_context` or `password_common`, pointing at the field.
 */
export function requireGoodPassword(password: string, person: Person, pointer: string, { shortest, contextWords }: Rules): void {
  const characters = Array.from(password.normalize('NFC')).length;
  const plain = password.normalize('NFC').toLowerCase().replaceAll(/\s/g, '');
  if (characters < shortest)
    throw AppError.field(pointer, 'password_too_short', `A password has at least ${shortest} characters; a short sentence is a good one.`);
  if (characters > LONGEST) throw AppError.field(pointer, 'password_too_long', `A password has at most ${LONGEST} characters.`);
  const readings = readingsOf(password);
  const holds = (word: string): boolean => readings.some((reading) => reading.includes(word));
  const username = person.username.toLowerCase();
  if (username.length >= SHORTEST_WORD && holds(username))
    throw AppError.field(pointer, 'password_has_username', 'A password must not contain the username.');
  if (wordsAbout(person, contextWords).some(holds))
    throw AppError.field(pointer, 'password_has_context', 'A password must not contain your name, your address or the name of this place.');
  if (new Set(plain).size < FEWEST_DIFFERENT || isCommon(plain))
    throw AppError.field(pointer, 'password_common', 'This password is one of the first that are tried.');
}

/** Between letters that stand alone, as in `v e r a` and `v-e-r-a`. */
const BETWEEN_LETTERS = /(?<=(?:^|[\s._-])[^\s._-])[\s._-](?=[^\s._-](?:[\s._-]|$))/gu;

/** As it is, and with letters that were spread put together. Words are not joined: the river at dusk is nobody called Vera. */
function readingsOf(password: string): string[] {
  const text = password.normalize('NFC').toLowerCase().replaceAll(/\s+/g, ' ');
  return [text, text.replaceAll(BETWEEN_LETTERS, '')];
}

/** A name of several words as one word too. */
function wordsAbout({ email, displayName }: Person, contextWords: readonly string[]): string[] {
  const words = [email?.split('@')[0] ?? '', ...(displayName ?? '').split(/[\s,.'’-]+/), ...contextWords, PRODUCT];
  const forms = words.map((word) => word.trim().toLowerCase().replaceAll(/\s+/g, ' ')).flatMap((word) => [word, word.replaceAll(' ', '')]);
  return forms.filter((word) => word.length >= SHORTEST_WORD);
}

const DISGUISES: Record<string, string> = { '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '@': 'a', $: 's', '!': 'i' };

/** In the list as it is, without what was put around it, without its disguise, or as one of the list over and over. */
function isCommon(plain: string): boolean {
  const core = plain.replace(/^[\W\d_]+/u, '').replace(/[\W\d_]+$/u, '');
  const seen = [plain, unit(plain), core, unit(core)];
  return [...seen, ...seen.map(undisguised)].some((form) => commonPasswords.has(form));
}

function undisguised(text: string): string {
  return text.replaceAll(/[013457@$!]/g, (sign) => DISGUISES[sign] ?? sign);
}

/** `abcabcabc` is `abc`. */
function unit(text: string): string {
  for (let length = 1; length <= text.length / 2; length++)
    if (text.length % length === 0 && text === text.slice(0, length).repeat(text.length / length)) return text.slice(0, length);
  return text;
}
