import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { SignedXml } from 'xml-crypto';
import { selfSigned } from './certificate.js';

const ASSERTION = `//*[local-name(.)='Assertion']`;
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

export interface SamlAnswerOptions {
  /** XML, so that a test can put a comment into it. */
  nameId?: string;
  nameIdFormat?: string;
  groups?: string[];
  attributes?: Record<string, string>;
  audience?: string;
  issuer?: string;
  recipient?: string;
  /** Of the assertion's confirmation; the request's own when absent. */
  inResponseTo?: string;
  /** Of the unsigned envelope. */
  envelopeInResponseTo?: string;
  /** Minutes from now. */
  goodFor?: number;
  sign?: boolean;
  signatureAlgorithm?: string;
}

interface SamlForm {
  SAMLResponse: string;
  RelayState: string;
}

/** A provider that signs whatever a test wants it to say. */
export class SamlIdp {
  readonly entityId = 'https://idp.example.net/saml';
  readonly entryPoint = 'https://idp.example.net/sso';
  private readonly pair = selfSigned('idp.example.net');

  get certificate(): string {
    return this.pair.certificate;
  }

  /** The form its page would post for the request in that address. */
  answer(authorizationUrl: string, options: SamlAnswerOptions = {}): SamlForm {
    const query = new URL(authorizationUrl).searchParams;
    const request = inflateRawSync(Buffer.from(query.get('SAMLRequest') ?? '', 'base64')).toString();
    const of = (name: string): string => new RegExp(`${name}="([^"]+)"`).exec(request)?.[1] ?? '';
    const issuer = /<saml:Issuer[^>]*>([^<]+)</.exec(request)?.[1] ?? '';
    const xml = this.response({ requestId: of('ID'), acs: of('AssertionConsumerServiceURL'), audience: issuer }, options);
    return {
      SAMLResponse: Buffer.from(options.sign === false ? xml : this.signed(xml, options)).toString('base64'),
      RelayState: query.get('RelayState') ?? '',
    };
  }

  private response(asked: { requestId: string; acs: string; audience: string }, options: SamlAnswerOptions): string {
    const { nameId = 'ada', nameIdFormat = PERSISTENT, groups = [], attributes = {}, goodFor = 5 } = options;
    const at = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();
    const id = (): string => `_${randomBytes(16).toString('hex')}`;
    const issuer = `<saml:Issuer>${options.issuer ?? this.entityId}</saml:Issuer>`;
    const attribute = (name: string, values: string[]): string =>
      `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`;
    return [
      `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id()}" Version="2.0"`,
      ` IssueInstant="${at(0)}" Destination="${asked.acs}" InResponseTo="${options.envelopeInResponseTo ?? asked.requestId}">${issuer}`,
      '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>',
      `<saml:Assertion ID="${id()}" Version="2.0" IssueInstant="${at(Math.min(0, goodFor - 5))}">${issuer}`,
      `<saml:Subject><saml:NameID Format="${nameIdFormat}">${nameId}</saml:NameID>`,
      '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">',
      `<saml:SubjectConfirmationData InResponseTo="${options.inResponseTo ?? asked.requestId}" NotOnOrAfter="${at(goodFor)}" Recipient="${options.recipient ?? asked.acs}"/>`,
      '</saml:SubjectConfirmation></saml:Subject>',
      `<saml:Conditions NotBefore="${at(-10)}" NotOnOrAfter="${at(goodFor)}">`,
      `<saml:AudienceRestriction><saml:Audience>${options.audience ?? asked.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
      `<saml:AuthnStatement AuthnInstant="${at(0)}" SessionIndex="${id()}"><saml:AuthnContext>`,
      '<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>',
      '</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>',
      groups.length > 0 ? attribute('groups', groups) : '',
      attribute('language', ['en']),
      ...Object.entries(attributes).map(([name, value]) => attribute(name, [value])),
      '</saml:AttributeStatement></saml:Assertion></samlp:Response>',
    ].join('');
  }

  private signed(xml: string, { signatureAlgorithm = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256' }: SamlAnswerOptions): string {
    const signature = new SignedXml({
      privateKey: this.pair.key,
      signatureAlgorithm,
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
    });
    signature.addReference({
      xpath: ASSERTION,
      transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
    });
    signature.computeSignature(xml, { location: { reference: `${ASSERTION}/*[local-name(.)='Issuer']`, action: 'after' } });
    return signature.getSignedXml();
  }
}
