import { type Profile } from '@node-saml/node-saml';
import { type SamlProvider, textsOf, type Vouched } from '../provider.js';

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';

interface Confirmation {
  method?: string;
  inResponseTo?: string;
  recipient?: string;
  notOnOrAfter?: string;
}

/** As much of the library's tree of a signed assertion as is looked at: attributes under `$`, children in lists. */
interface AssertionTree {
  Assertion?: {
    $?: { ID?: string };
    Subject?: { SubjectConfirmation?: { $?: { Method?: string }; SubjectConfirmationData?: { $?: Record<string, string> }[] }[] }[];
  };
}

/** What the signed assertion itself says of the exchange it belongs to. Throws when it has no id or no single confirmation. */
export function confirmationOf(profile: Profile): Confirmation & { assertionId: string } {
  // The library types it as anything; every member is looked at before it is used.
  const { Assertion: assertion } = (profile.getAssertion?.() ?? {}) as AssertionTree;
  const confirmations = assertion?.Subject?.[0]?.SubjectConfirmation ?? [];
  const [confirmation] = confirmations;
  if (assertion?.$?.ID === undefined || !confirmation || confirmations.length !== 1)
    throw new Error('The assertion has no single confirmation.');
  const data = confirmation.SubjectConfirmationData?.[0]?.$ ?? {};
  return {
    assertionId: assertion.$.ID,
    method: confirmation.$?.Method,
    inResponseTo: data.InResponseTo,
    recipient: data.Recipient,
    notOnOrAfter: data.NotOnOrAfter,
  };
}

/** The rules the library leaves out (SAML 2.0 profiles §4.1.4.3): meant for us, in answer to this request, for a time. */
export function checkConfirmation(
  { method, inResponseTo, recipient, notOnOrAfter }: Confirmation,
  requestId: string | undefined,
  acsUrl: string,
): void {
  if (method !== BEARER) throw new Error('The assertion is not for its bearer.');
  if (requestId === undefined || inResponseTo !== requestId) throw new Error('The assertion answers another request.');
  if (recipient !== acsUrl) throw new Error('The assertion is for another recipient.');
  if (notOnOrAfter === undefined) throw new Error('The assertion is good for ever.');
}

export function vouchedBy({ config }: SamlProvider, profile: Profile): Vouched {
  if (typeof profile.nameID !== 'string' || profile.nameID === '') throw new Error('The assertion names nobody.');
  if (profile.nameIDFormat === TRANSIENT) throw new Error('A transient name is another one every time: nobody could be known again.');
  const attributes = (profile.attributes ?? {}) as Record<string, unknown>;
  const [email] = textsOf(attributes[config.emailAttribute]);
  const [displayName] = textsOf(attributes[config.displayNameAttribute]);
  const [username] = typeof config.usernameAttribute === 'string' ? textsOf(attributes[config.usernameAttribute]) : [];
  return {
    externalId: profile.nameID,
    username: username ?? profile.nameID,
    groups: textsOf(attributes[config.groupsAttribute]),
    ...(email === undefined ? {} : { email }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(profile.sessionIndex === undefined ? {} : { session: profile.sessionIndex }),
  };
}
