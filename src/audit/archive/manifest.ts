import { canonicalJson, type Json, toJson } from '../../kernel/canonical-json.js';
import { type NoteSigner, parseNote, signNote, type SignedNote } from '../sealing/signed-note.js';

export const ARCHIVE_FORMAT = 'cadastre-archive/2';
/** In the first one every line had a leaf, and the payload as a string. */
const READABLE: readonly unknown[] = [ARCHIVE_FORMAT, 'cadastre-archive/1'];

/** A part of the object that can be fetched and read by itself. */
export interface ArchiveFrame {
  firstSeq: number;
  rows: number;
  offset: number;
  bytes: number;
  sha256: string;
}

/** What an archive says of itself, under a signature. docs/audit-format.md has its members. */
export interface ArchiveManifest {
  format: string;
  installation: string;
  log: string;
  period: string;
  firstSeq: number;
  lastSeq: number;
  rows: number;
  /** Of the payloads. */
  bytes: number;
  /** Base64: of the log up to and with this month. */
  root: string;
  /** A signed note of the log when it was at least so large, and the proof that it begins with `root`. */
  checkpoint: string;
  consistency: string[];
  occurredAt: { first: string; last: string };
  sealedAt: { first: string; last: string };
  epochs: number[];
  object: { key: string; bytes: number; sha256: string };
  frames: ArchiveFrame[];
  resourceTypes: Record<string, number>;
  severities: Record<string, number>;
  /** Bloom filters, base64. */
  filters: { actor: string; resource: string; correlation: string };
  policies: string[];
  retentionUntil: string | null;
  createdAt: string;
  toolVersion: string;
}

export function archiveOrigin(installation: string): string {
  return `cadastre/${installation}/archive`;
}

export function signManifest(manifest: ArchiveManifest, signer: NoteSigner): string {
  return signNote(`${canonicalJson(toJson(manifest))}\n`, archiveOrigin(manifest.installation), [signer]);
}

/** Undefined when it is no manifest of an archive; whose signature it bears is for the caller to see. */
export function parseManifest(text: string): { manifest: ArchiveManifest; note: SignedNote } | undefined {
  const note = parseNote(text);
  if (!note) return undefined;
  let said: Json;
  try {
    said = JSON.parse(note.text) as Json;
  } catch {
    return undefined;
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said) || !READABLE.includes(said.format)) return undefined;
  // A manifest is believed for its signature: what signed it wrote all of its members.
  return { manifest: said as unknown as ArchiveManifest, note };
}
