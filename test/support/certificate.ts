import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface Certified {
  /** PKCS #8, PEM. */
  key: string;
  certificate: string;
}

const DAY_MS = 86_400_000;
const SHA256_RSA = Buffer.from('300d06092a864886f70d01010b0500', 'hex');

/** A key and the certificate it signed for itself (RFC 5280 §4.1), good for these hosts: no program has to be there to make it. */
export function selfSigned(commonName: string, addresses: readonly string[] = [], days = 1): Certified {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const name = sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));
  const validity = sequence(time(-1), time(days));
  const alternatives = [
    tlv(0x82, Buffer.from(commonName)),
    ...addresses.map((address) => tlv(0x87, Buffer.from(address.split('.').map(Number)))),
  ];
  const extensions = sequence(
    sequence(oid('551d13'), tlv(0x01, Buffer.of(0xff)), tlv(0x04, sequence(tlv(0x01, Buffer.of(0xff))))),
    sequence(oid('551d11'), tlv(0x04, sequence(...alternatives))),
  );
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))),
    tlv(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    SHA256_RSA,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions),
  );
  const der = sequence(body, SHA256_RSA, tlv(0x03, Buffer.concat([Buffer.of(0), sign('sha256', body, privateKey)])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
  };
}

function tlv(tag: number, content: Buffer): Buffer {
  const size = content.length;
  const length = size < 0x80 ? Buffer.of(size) : size < 0x100 ? Buffer.of(0x81, size) : Buffer.of(0x82, size >> 8, size & 0xff);
  return Buffer.concat([Buffer.of(tag), length, content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'));
}

function time(days: number): Buffer {
  const at = new Date(Date.now() + days * DAY_MS).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return tlv(0x17, Buffer.from(at.slice(2)));
}
