#!/usr/bin/env node
// Checks a Cadastre evidence pack (docs/audit-format.md) with nothing but this file and Node's standard library: no network, no database,
// no other file of the program.
//
//   node verify-evidence.mjs PACK.json [--key BASE64]... [--checkpoint NOTE-FILE]...
//
// --key         a public key you have from elsewhere; without one the pack vouches for its own keys, and the output says so
// --checkpoint  a checkpoint you kept from before, or that somebody else did: the pack must prove that it is the beginning of its log
//
// Exit code 0: everything holds. 1: something was altered; the first bad record is named. 2: something is missing or cannot be read.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';

class Bad extends Error {}
class Incomplete extends Error {}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const leafHash = (payload) => sha256(Buffer.of(0), Buffer.from(payload, 'utf8'));
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);
const half = (n) => Math.floor(n / 2);
const base64 = (text) => Buffer.from(text, 'base64');

/** RFC 9162 §2.1.3.2 */
function includes(leaf, index, size, path, root) {
  if (!(index >= 0 && index < size)) return false;
  let [fn, sn, at] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      at = nodeHash(sibling, at);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else at = nodeHash(at, sibling);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && at.equals(root);
}

/** RFC 9162 §2.1.4.2 */
function extendsTree(first, firstRoot, size, root, path) {
  if (first === size) return path.length === 0 && firstRoot.equals(root);
  if (first === 0) return path.length === 0;
  if (first > size) return false;
  const steps = Number.isInteger(Math.log2(first)) ? [firstRoot, ...path] : [...path];
  if (steps.length === 0) return false;
  let [fn, sn] = [first - 1, size - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [was, is] = [steps[0], steps[0]];
  for (const step of steps.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [was, is] = [nodeHash(step, was), nodeHash(step, is)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else is = nodeHash(is, step);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && was.equals(firstRoot) && is.equals(root);
}

/** C2SP signed-note */
function parseNote(note, what) {
  const cut = typeof note === 'string' ? note.lastIndexOf('\n\n') : -1;
  if (cut < 0) throw new Incomplete(`${what} is no signed note`);
  const signatures = note
    .slice(cut + 2)
    .split('\n')
    .map((line) => /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name, text]) => ({ name, id: base64(text).subarray(0, 4), signature: base64(text).subarray(4) }));
  return { text: note.slice(0, cut + 1), signatures };
}

function isSignedBy({ text, signatures }, name, key) {
  const id = sha256(`${name}\n`, Buffer.of(1), key).subarray(0, 4);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return signatures.some((s) => s.name === name && s.id.equals(id) && verify(null, Buffer.from(text), publicKey, s.signature));
}

/** C2SP tlog-checkpoint */
function parseCheckpoint({ text }, what) {
  const [origin, size, root, ...more] = text.split('\n');
  const number = /^number (\d+)$/.exec(more[0] ?? '')?.[1];
  if (!/^\d+$/.test(size ?? '') || base64(root ?? '').length !== 32 || number === undefined)
    throw new Incomplete(`${what} is no checkpoint`);
  return { origin, size: Number(size), root: base64(root), number: Number(number), time: /^time (.+)$/.exec(more[2] ?? '')?.[1] };
}

/** The keys of the pack, each with the first checkpoint of every log that it signs; those of them that can be trusted. */
function readKeys(pack, pinned) {
  const name = `cadastre/${pack.installation}/keys`;
  const keys = list(pack.keys, 'keys').map(({ note: text }, i) => {
    const note = parseNote(text, `the note of key ${i}`);
    const [origin, ordinal, key, previous, ...from] = note.text.split('\n');
    const publicKey = base64(key ?? '');
    if (origin !== name || Number(ordinal) !== i || publicKey.length !== 32 || !isSignedBy(note, name, publicKey))
      throw new Bad(`key ${i} is not signed by itself`);
    const vouched = previous !== '-' && isSignedBy(note, name, base64(previous));
    return {
      publicKey,
      previous: base64(previous),
      vouched,
      from: new Map(from.map((line) => line.split(' ')).map(([log, n]) => [log, Number(n)])),
    };
  });
  if (keys.length === 0) throw new Incomplete('there are no keys');
  const trusted = new Set((pinned.length > 0 ? pinned : [keys[0].publicKey]).map((key) => key.toString('hex')));
  for (let before = -1; before !== trusted.size;) {
    before = trusted.size;
    for (const { publicKey, previous, vouched } of keys)
      if (vouched && (trusted.has(publicKey.toString('hex')) || trusted.has(previous.toString('hex'))))
        trusted.add(publicKey.toString('hex')).add(previous.toString('hex'));
  }
  return (note, origin, log, number) => {
    const valid = keys.findLast(({ from }) => (from.get(log) ?? 0) <= number);
    if (!valid || !trusted.has(valid.publicKey.toString('hex'))) return false;
    return isSignedBy(note, origin, valid.publicKey);
  };
}

function list(value, what) {
  if (!Array.isArray(value)) throw new Incomplete(`there is no list of ${what}`);
  return value;
}

/** Of a key alone, or of one in the form of C2SP signed-note: name+id+key, of which only the key may contain a plus. */
function publicKeyOf(text) {
  const key = base64(/^[^\s+]+\+[0-9a-f]{8}\+(.{44,})$/.exec(text)?.[1] ?? text);
  if (key.length !== 32 && key.length !== 33) throw new Incomplete(`--key ${text} is no Ed25519 key`);
  return key.subarray(-32);
}

function checkLog(log, installation, signed) {
  const what = `the checkpoint of ${log.class}`;
  const note = parseNote(log.checkpoint, what);
  const checkpoint = parseCheckpoint(note, what);
  const origin = `cadastre/${installation}/${log.class}`;
  if (checkpoint.origin !== origin) throw new Bad(`${what} is that of ${checkpoint.origin}`);
  if (!signed(note, origin, log.class, checkpoint.number)) throw new Bad(`${what} is not signed by a key that is trusted`);
  for (const { seq, payload, path } of list(log.events, 'events')) {
    if (typeof payload !== 'string') throw new Incomplete(`event ${seq} of ${log.class} has no payload`);
    if (!includes(leafHash(payload), seq, checkpoint.size, list(path, 'hashes').map(base64), checkpoint.root))
      throw new Bad(`event ${seq} of ${log.class} is not in the log that was signed: ${payload.slice(0, 200)}`);
  }
  return { ...checkpoint, consistency: log.consistency ?? [] };
}

function checkEarlier(file, pack, logs, signed) {
  const note = parseNote(readFileSync(file, 'utf8'), file);
  const earlier = parseCheckpoint(note, file);
  const log = earlier.origin.split('/')[2];
  if (earlier.origin !== `cadastre/${pack.installation}/${log}`) throw new Bad(`${file} is a checkpoint of another log, ${earlier.origin}`);
  if (!signed(note, earlier.origin, log, earlier.number)) throw new Bad(`${file} is not signed by a key that is trusted`);
  const later = logs.get(log);
  if (!later || earlier.size > later.size) throw new Incomplete(`the pack has nothing of ${log} as large as ${file}`);
  const proof = later.consistency.find(({ size }) => size === earlier.size) ?? (earlier.size === later.size ? { path: [] } : undefined);
  if (!proof) throw new Incomplete(`the pack does not prove that ${log} of ${earlier.size} events is its beginning`);
  if (!extendsTree(earlier.size, earlier.root, later.size, later.root, proof.path.map(base64)))
    throw new Bad(`${file} is not the beginning of ${log} in this pack: its history was rewritten`);
}

function main([file, ...options]) {
  const given = { '--key': [], '--checkpoint': [] };
  for (let i = 0; i < options.length; i += 2) {
    if (!(options[i] in given) || options[i + 1] === undefined) throw new Incomplete(`what is ${options[i]}?`);
    given[options[i]].push(options[i + 1]);
  }
  if (file === undefined) throw new Incomplete('usage: node verify-evidence.mjs PACK.json [--key BASE64]... [--checkpoint FILE]...');
  const pack = JSON.parse(readFileSync(file, 'utf8'));
  if (pack.format !== 'cadastre-evidence/1') throw new Incomplete(`this is no evidence pack of a form that is known here`);
  const pinned = given['--key'].map(publicKeyOf);
  const signed = readKeys(pack, pinned);
  const logs = new Map(list(pack.logs, 'logs').map((log) => [log.class, checkLog(log, pack.installation, signed)]));
  for (const earlier of given['--checkpoint']) checkEarlier(earlier, pack, logs, signed);
  for (const log of pack.logs) {
    const { size, time } = logs.get(log.class);
    console.log(`${log.class}: ${log.events.length} events are in the log of ${size} events that was signed at ${time}.`);
  }
  if (pinned.length === 0) console.log(`No key was given: this holds if ${pack.keys[0].publicKey} is the installation's first public key.`);
  if (pack.archivedMonths > 0) console.log(`The pack says that ${pack.archivedMonths} archived months may have more and were left out.`);
}

try {
  main(argv.slice(2));
  console.log('sound');
} catch (error) {
  console.error(`${error instanceof Bad ? 'tampered' : 'incomplete'}: ${error.message}`);
  exit(error instanceof Bad ? 1 : 2);
}
