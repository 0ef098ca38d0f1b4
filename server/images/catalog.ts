/**
 * The images of the store: names, versions, manifests. The files are the truth (image-file.ts, manifest-files.ts);
 * the tables are a copy of them that is made again at every start.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageView, VersionView } from '#protocol/admin/image-api.ts';
import type { ManifestAnswer } from '#protocol/agent-api.ts';
import { usedBytesOf } from '#protocol/chunk.ts';
import { type KnownError, knownError } from '#protocol/errors.ts';
import { decodeManifest, idAt, type Manifest, placeOf } from '#protocol/manifest.ts';
import type { Clock } from '#system/clock.ts';
import type { Database } from '../db/database.ts';
import { ImageTable } from '../db/image-table.ts';
import type { ChunkLocations, ChunkStore } from './chunk-store.ts';
import { ImageFiles, isImageName } from './image-file.ts';
import { ManifestFiles } from './manifest-files.ts';
import { writeIntoStore } from './store-space.ts';

export interface CatalogOptions {
  /** Folder of the store. */
  readonly dir: string;
  readonly database: Database;
  readonly store: ChunkStore;
  readonly clock: Clock;
}

export interface NewVersion {
  readonly image: string;
  readonly sourceHost: string;
  readonly manifestBytes: Buffer;
  readonly warnings: string[];
  readonly addedBytes: number;
  /** NAME@VERSION that it was made smaller from. */
  readonly fittedFrom?: string;
}

export interface ResolvedImage {
  readonly image: string;
  readonly version: VersionView;
}

export class Catalog {
  readonly #options: CatalogOptions;
  readonly #images: ImageFiles;
  readonly #manifests: ManifestFiles;
  readonly #table: ImageTable;
  /** Images whose file cannot be used; they stay as they are until somebody mends them. */
  readonly #damaged = new Map<string, KnownError>();
  /** Tail of the queue of everything that changes an image. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: CatalogOptions) {
    this.#options = options;
    this.#images = new ImageFiles(join(options.dir, 'images'));
    this.#manifests = new ManifestFiles(join(options.dir, 'manifests'));
    this.#table = new ImageTable(options.database);
  }

  /** A damaged image file is named in the log, left as it is, and does not keep the others from working. */
  static async open(options: CatalogOptions): Promise<Catalog> {
    const catalog = new Catalog(options);
    await mkdir(catalog.#images.dir, { recursive: true, mode: 0o750 });
    await mkdir(catalog.#manifests.dir, { recursive: true, mode: 0o750 });
    const found = new Map<string, readonly VersionView[]>();
    for (const name of await catalog.#images.list()) {
      try {
        const file = await catalog.#images.read(name);
        if (file !== undefined) found.set(name, file.versions);
      } catch (error) {
        catalog.#damaged.set(name, error as KnownError);
        options.store.log.error({ image: name }, (error as KnownError).message);
      }
    }
    catalog.#table.replaceAll(found);
    return catalog;
  }

  list(): ImageView[] {
    return this.#table.names().map((name) => ({ name, versions: this.#table.versions(name) }));
  }

  /** Of NAME all versions, of NAME@3 only that one. Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, IMAGE_FILE_DAMAGED and what loadManifest throws. */
  async view(ref: string): Promise<ImageView> {
    const { image, version } = this.resolve(ref);
    const manifest = await this.loadManifest(version.manifestId);
    return {
      name: image,
      versions: ref === image ? this.#table.versions(image) : [version],
      layout: manifest.head.layout,
      ...(manifest.head.moreDisks === undefined ? {} : { moreDisks: manifest.head.moreDisks }),
      volumes: manifest.volumes.map(({ extents, indices, firstOrdinal: _, ...head }) => ({
        ...head,
        usedBytes: usedBytesOf(extents),
        chunks: indices.length,
      })),
    };
  }

  /** NAME is its newest version, NAME@3 that one. Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, IMAGE_FILE_DAMAGED. */
  resolve(ref: string): ResolvedImage {
    const { image, number } = splitRef(ref);
    const versions = this.#table.versions(image);
    if (versions.length === 0) throw this.#damaged.get(image) ?? knownError('IMAGE_UNKNOWN', { image });
    const version = number === undefined ? versions[0] : versions.find((view) => String(view.version) === number);
    if (version === undefined) throw knownError('VERSION_UNKNOWN', { image, version: number ?? '' });
    return { image, version };
  }

  /** The bytes as they were made, checked against the id. Throws MANIFEST_CORRUPT. */
  readManifest(manifestId: string): Promise<Buffer> {
    return this.#manifests.read(manifestId);
  }

  /** Throws MANIFEST_CORRUPT, MANIFEST_NEWER. */
  loadManifest(manifestId: string): Promise<Manifest> {
    return this.#manifests.load(manifestId);
  }

  /**
   * Makes the image's next version of a manifest whose chunks are all in the store and finished; the image itself when
   * there is none of that name. A manifest that equals the latest version's makes no new version.
   * Throws NAME_INVALID, IMAGE_FILE_DAMAGED, MANIFEST_NEWER, MANIFEST_CORRUPT, CHUNK_MISSING, STORE_FULL.
   */
  async addVersion(version: NewVersion): Promise<ManifestAnswer> {
    const { image, manifestBytes } = version;
    if (!isImageName(image)) throw knownError('NAME_INVALID', { name: image, what: 'image' });
    const manifest = decodeManifest(manifestBytes);
    const { store } = this.#options;
    const locations = await store.locate(manifest.ids);
    checkLocations(manifest, locations);
    return this.#inTurn(async () => {
      const file = await this.#images.read(image);
      const latest = file?.versions.at(-1);
      // The latest version may be the very same disk, and its manifest file may just have been lost.
      await writeIntoStore(this.#options.dir, () => this.#manifests.write(manifest.id, manifestBytes));
      const isNew = latest?.manifestId !== manifest.id;
      const view = isNew
        ? this.#describe(version, manifest, locations, file?.nextVersion ?? 1, latest?.version)
        : latest;
      const versions = isNew ? [...(file?.versions ?? []), view] : undefined;
      try {
        const keepPacks = (publish: () => void) => this.#keepPacks(manifest, locations, publish);
        if (versions === undefined) keepPacks(() => {});
        else await this.#writeVersions(image, view.version + 1, versions, keepPacks);
      } catch (error) {
        if (!(await this.liveManifestIds()).includes(manifest.id)) await this.removeManifest(manifest.id);
        throw error;
      }
      return { manifestId: manifest.id, image, version: view.version, isNew };
    });
  }

  /**
   * Adds warnings of a capture to its version: they come after the manifest, with the agent's last report. Those that it has
   * already are not doubled, so it may be repeated. A version that was removed meanwhile needs none.
   * Throws IMAGE_FILE_DAMAGED, STORE_FULL.
   */
  async noteWarnings(image: string, version: number, warnings: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      const file = await this.#images.read(image);
      const view = file?.versions.find((one) => one.version === version);
      if (file === undefined || view === undefined) return;
      const fresh = warnings.filter((warning) => !view.warnings.includes(warning));
      if (fresh.length === 0) return;
      const noted = { ...view, warnings: [...view.warnings, ...fresh] };
      await this.#writeVersions(
        image,
        file.nextVersion,
        file.versions.map((one) => (one === view ? noted : one)),
      );
    });
  }

  /** Gives an image another name. Throws IMAGE_UNKNOWN, NAME_INVALID, IMAGE_EXISTS, INVALID_REQUEST for a single version. */
  async rename(ref: string, name: string): Promise<ImageView> {
    const { image } = this.resolve(ref);
    if (ref !== image) throw knownError('INVALID_REQUEST', { problem: 'a single version has no name of its own' });
    if (!isImageName(name)) throw knownError('NAME_INVALID', { name, what: 'image' });
    await this.#inTurn(async () => {
      const exists = this.#damaged.has(name) || this.#table.versions(name).length > 0;
      if (exists) throw knownError('IMAGE_EXISTS', { image: name });
      await this.#images.rename(image, name);
      this.#table.rename(image, name);
    });
    return this.view(name);
  }

  /** Removes an image or one version; the last version takes the image with it. The chunks stay until the store is pruned. */
  async remove(ref: string): Promise<void> {
    const { image, version } = this.resolve(ref);
    await this.#inTurn(async () => {
      const file = await this.#images.read(image);
      const kept = file?.versions.filter((view) => ref !== image && view.version !== version.version) ?? [];
      if (file === undefined || kept.length === 0) {
        await this.#images.remove(image);
        this.#table.remove(image);
        return;
      }
      await this.#writeVersions(image, file.nextVersion, kept);
    });
  }

  /** Manifests that some version needs. While an image file is damaged, that may be any. */
  async liveManifestIds(): Promise<string[]> {
    if (this.#damaged.size === 0) return this.#table.manifestIds();
    return [...new Set([...(await this.#manifests.list()), ...this.#table.manifestIds()])];
  }

  /** Manifest files that no version needs. */
  async orphanManifestIds(): Promise<string[]> {
    const live = new Set(await this.liveManifestIds());
    return (await this.#manifests.list()).filter((manifestId) => !live.has(manifestId));
  }

  /** For the pruner. Forgets and deletes a manifest file. */
  removeManifest(manifestId: string): Promise<void> {
    return this.#manifests.remove(manifestId);
  }

  /** Makes these the versions of the image, in its file and in the tables, or in neither. Throws STORE_FULL. */
  async #writeVersions(
    image: string,
    nextVersion: number,
    versions: VersionView[],
    around: (publish: () => void) => void = (publish) => publish(),
  ): Promise<void> {
    // The tables may find the disk full; the rename that follows needs no room.
    const beforeRename = () => around(() => this.#table.replace(image, versions));
    await writeIntoStore(this.#options.dir, () => this.#images.write(image, { nextVersion, versions }, beforeRename));
  }

  /**
   * Publishes a version, and from then on no intake takes its packs back; a capture that fails before may still free them.
   * Throws what `publish` throws, and CHUNK_MISSING when a pack was taken back since the chunks were located.
   */
  #keepPacks(manifest: Manifest, locations: ChunkLocations, publish: () => void): void {
    const { store } = this.#options;
    for (const packId of new Set(locations.packIds)) {
      if (store.table.packName(packId) !== undefined) continue;
      throw knownError('CHUNK_MISSING', { chunk: hexIdAt(manifest, locations.packIds.indexOf(packId)) });
    }
    publish();
    store.keepIndexed();
  }

  #describe(
    version: NewVersion,
    manifest: Manifest,
    locations: ChunkLocations,
    number: number,
    parent: number | undefined,
  ): VersionView {
    return {
      version: number,
      manifestId: manifest.id,
      ...(parent === undefined ? {} : { parent }),
      createdAtMs: this.#options.clock.nowMs(),
      sourceHost: version.sourceHost,
      diskBytes: manifest.head.layout.diskBytes,
      usedBytes: manifest.volumes.reduce((sum, volume) => sum + usedBytesOf(volume.extents), 0),
      chunks: manifest.chunkCount,
      storedBytes: locations.storedBytes.reduce((sum, bytes) => sum + bytes, 0),
      addedBytes: version.addedBytes,
      warnings: version.warnings,
      ...(version.fittedFrom === undefined ? {} : { fittedFrom: version.fittedFrom }),
    };
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(step);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function splitRef(ref: string): { image: string; number: string | undefined } {
  const at = ref.lastIndexOf('@');
  return at === -1 ? { image: ref, number: undefined } : { image: ref.slice(0, at), number: ref.slice(at + 1) };
}

/** Throws CHUNK_MISSING, or MANIFEST_CORRUPT when a chunk is not as long as its place. */
function checkLocations(manifest: Manifest, locations: ChunkLocations): void {
  const missing = locations.packIds.indexOf(-1);
  if (missing !== -1) throw knownError('CHUNK_MISSING', { chunk: hexIdAt(manifest, missing) });
  for (let ordinal = 0; ordinal < manifest.chunkCount; ordinal++) {
    const { plainBytes } = placeOf(manifest, ordinal);
    if (locations.plainBytes[ordinal] === plainBytes) continue;
    const problem = `chunk ${ordinal} has ${locations.plainBytes[ordinal]} bytes, its place ${plainBytes}`;
    throw knownError('MANIFEST_CORRUPT', { manifest: manifest.id.slice(0, 16), problem });
  }
}

function hexIdAt(manifest: Manifest, ordinal: number): string {
  return Buffer.from(idAt(manifest, ordinal)).toString('hex');
}
