import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { EMPTY_SHA256, encoded, SignatureV4 } from './signature-v4.js';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const signer = new SignatureV4('AKIAIOSFODNN7EXAMPLE', SECRET, 'us-east-1');
const at = new Date('2013-05-24T00:00:00Z');
const put = {
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  date: 'Fri, 24 May 2013 00:00:00 GMT',
};

describe('signatures of requests to an S3 store', () => {
  // The examples of docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
  it.each([
    ['GET', '/test.txt', { range: 'bytes=0-9' }, '', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'],
    ['PUT', '/test%24file.text', put, 'Welcome to Amazon S3.', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'],
    ['GET', '/?lifecycle', {}, '', 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    ['GET', '/?max-keys=2&prefix=J', {}, '', '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('T6: %s %s is signed as the example of AWS is', (method, target, headers, body, signature) => {
    const payloadSha256 = createHash('sha256').update(body).digest('hex');
    const url = new URL(target, 'https://examplebucket.s3.amazonaws.com');
    expect(signer.headers({ method, url, headers, payloadSha256, at }).authorization).toContain(`Signature=${signature}`);
  });

  it('T6: every character that a key may have is encoded, once, and survives the URL', () => {
    expect(encoded("a b!'()*~/ü")).toBe('a%20b%21%27%28%29%2A~%2F%C3%BC');
    const all = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)).join('');
    expect(decodeURIComponent(new URL(`http://x/${encoded(all)}`).pathname.slice(1))).toBe(all);
  });

  it('T6: nobody sees the secret by looking at what holds it', () => {
    expect(inspect(signer, { depth: 9, showHidden: true })).not.toContain('wJalr');
    const sent = signer.headers({ method: 'GET', url: new URL('http://x/'), headers: {}, payloadSha256: EMPTY_SHA256, at });
    expect(JSON.stringify([signer, sent])).not.toContain('wJalr');
  });
});
