/** The folder of manifests: `store/manifests/HEX.fcm`, immutable, named by their own hash. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { blake3 } from '@napi-rs/blake-hash';
import { knownError } from '#protocol/errors.ts';
import { decodeManifest, type Manifest } from '#protocol/manifest.ts';
import { syncFolder, writeFileAtomic } from '#system/files.ts';

/** Decoded manifests kept: about 10 MB each for a 60 GB image. */
const MAX_LOADED = 3;

export class ManifestFiles {
  readonly dir: string;
  /** Least lately used first. */
  readonly #loaded = new Map<string, Promise<Manifest>>();

  constructor(dir: string) {
    this.dir = dir;
  }

  pathOf(manifestId: string): string {
    return join(this.dir, `${manifestId}.fcm`);
  }

  /** Ids of all manifest files; removes what a killed process left half-written. */
  async list(): Promise<string[]> {
    const ids: string[] = [];
    for (const file of await readdir(this.dir)) {
      if (/\.fcm\.tmp-[0-9a-f]+$/.test(file)) await rm(join(this.dir, file), { force: true });
      const id = /^([0-9a-f]{64})\.fcm$/.exec(file)?.[1];
      if (id !== undefined) ids.push(id);
    }
    return ids.sort();
  }

  /** Throws MANIFEST_CORRUPT when the file is missing or its hash is not its name. */
  async read(manifestId: string): Promise<Buffer> {
    const corrupt = (problem: string, cause?: unknown) =>
      knownError('MANIFEST_CORRUPT', { manifest: manifestId.slice(0, 16), problem }, { cause });
    if (!/^[0-9a-f]{64}$/.test(manifestId)) throw corrupt('that is no manifest id');
    let bytes: Buffer;
    try {
      bytes = await readFile(this.pathOf(manifestId));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw corrupt(code === 'ENOENT' ? 'the file is missing' : `the file cannot be read (${code})`, error);
    }
    if (blake3(bytes).toString('hex') !== manifestId) throw corrupt('its hash is not its id');
    return bytes;
  }

  /** Decoded; the last few are kept. Throws MANIFEST_CORRUPT, MANIFEST_NEWER. */
  load(manifestId: string): Promise<Manifest> {
    const known = this.#loaded.get(manifestId);
    const manifest = known ?? this.read(manifestId).then((bytes) => decodeManifest(bytes, manifestId));
    this.#loaded.delete(manifestId);
    this.#loaded.set(manifestId, manifest);
    if (known === undefined) manifest.catch(() => this.#loaded.delete(manifestId));
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > MAX_LOADED && oldest !== undefined) this.#loaded.delete(oldest);
    return manifest;
  }

  /** Writes a manifest, or writes it again when the file is there but damaged. May be repeated. */
  async write(manifestId: string, bytes: Buffer): Promise<void> {
    const isThere = await this.read(manifestId).then(
      () => true,
      () => false,
    );
    if (!isThere) await writeFileAtomic(this.pathOf(manifestId), bytes);
  }

  async remove(manifestId: string): Promise<void> {
    this.#loaded.delete(manifestId);
    await rm(this.pathOf(manifestId), { force: true });
    await syncFolder(this.dir);
  }
}
