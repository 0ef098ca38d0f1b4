/**
 * The store of chunks: packs on disk, and the index of which chunk lies where.
 * The packs are the truth. The index in SQLite is made again from them when it is lost, and only the pruner deletes.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { Logger } from '#system/log.ts';
import { ChunkTable } from '../db/chunk-table.ts';
import type { Database } from '../db/database.ts';
import { ChunkChecker } from './chunk-checker.ts';
import { type Intake, PackIntake } from './intake.ts';
import { type PackFile, PackFiles } from './pack-files.ts';
import { readPackContent } from './pack-reader.ts';
import { lockStore, type StoreLock } from './store-lock.ts';

/** Ids looked up between two turns of the event loop: about 5 ms. */
const LOCATE_SLICE = 2000;

/** Where chunks lie; element i is about id i. */
export interface ChunkLocations {
  /** -1: the store has no such chunk. */
  readonly packIds: Int32Array;
  /** Of the 64-byte stored header in the pack. */
  readonly offsets: Float64Array;
  /** Without the header. */
  readonly storedBytes: Uint32Array;
  readonly plainBytes: Uint32Array;
}

export interface ChunkStoreOptions {
  /** Folder of the store; holds packs/, manifests/, images/ and lock. */
  readonly dir: string;
  readonly database: Database;
  readonly log: Logger;
}

export class ChunkStore {
  readonly dir: string;
  readonly log: Logger;
  readonly table: ChunkTable;
  readonly files: PackFiles;
  readonly checker = new ChunkChecker();
  readonly #claims = new Map<string, number>();
  readonly #intakes = new Set<PackIntake>();
  readonly #lock: StoreLock;

  private constructor(options: ChunkStoreOptions, lock: StoreLock) {
    this.dir = options.dir;
    this.log = options.log;
    this.table = new ChunkTable(options.database);
    this.files = new PackFiles(join(options.dir, 'packs'));
    this.#lock = lock;
  }

  /**
   * Makes the folders, removes what a killed process left half-written, and brings the index up to the packs.
   * A damaged pack is named in the log and never stops the others. Throws STORE_LOCKED.
   */
  static async open(options: ChunkStoreOptions): Promise<ChunkStore> {
    await mkdir(join(options.dir, 'packs'), { recursive: true, mode: 0o750 });
    const store = new ChunkStore(options, await lockStore(options.dir));
    try {
      await rm(store.fitDir, { recursive: true, force: true });
      await store.files.removeTemporary();
      await store.#bringUpIndex();
    } catch (error) {
      await store.close();
      throw error;
    }
    return store;
  }

  /** For copies of volumes that are fitted; nothing in it outlives the daemon. */
  get fitDir(): string {
    return join(this.dir, 'fit');
  }

  /** Looks up n · 32 bytes of ids, in slices, so that the event loop lives: about 3 µs an id. */
  async locate(ids: Uint8Array): Promise<ChunkLocations> {
    const count = ids.length / CHUNK_ID_BYTES;
    const packIds = new Int32Array(count);
    const offsets = new Float64Array(count);
    const storedBytes = new Uint32Array(count);
    const plainBytes = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      if (i > 0 && i % LOCATE_SLICE === 0) await nextTurn();
      const position = this.table.find(ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES));
      if (position === undefined) packIds[i] = -1;
      else [packIds[i], offsets[i], storedBytes[i], plainBytes[i]] = position;
    }
    return { packIds, offsets, storedBytes, plainBytes };
  }

  /** n · 32 bytes of ids → bitmap of ceil(n/8) bytes, bit i set: the store lacks id i. */
  lacking(ids: Uint8Array): Buffer {
    const bitmap = Buffer.alloc(Math.ceil(ids.length / CHUNK_ID_BYTES / 8));
    for (let i = 0; i * CHUNK_ID_BYTES < ids.length; i++) {
      const id = ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES);
      if (!this.table.has(id)) bitmap[i >> 3]! |= 1 << (i & 7);
    }
    return bitmap;
  }

  /** Fills the first `length` bytes of `buffer` from byte `offset` of a pack on. Throws PACK_CORRUPT on an absent or short pack. */
  async readAt(packId: number, buffer: Buffer, offset: number, length: number): Promise<void> {
    const name = this.table.packName(packId);
    if (name === undefined) {
      throw knownError('PACK_CORRUPT', { pack: `number ${packId}`, problem: 'it is not in the store any more' });
    }
    await this.files.readAt(name, buffer, offset, length);
  }

  async beginIntake(): Promise<Intake> {
    return new PackIntake({
      dir: this.dir,
      table: this.table,
      files: this.files,
      checker: this.checker,
      claims: this.#claims,
      register: (intake) => {
        this.keepIndexed();
        this.#intakes.add(intake);
      },
      hasOthers: (asking) => [...this.#intakes].some((other) => other !== asking && other.isOpen),
    });
  }

  /** Makes everything that is indexed final: a version that was just added may refer to it. */
  keepIndexed(): void {
    for (const intake of this.#intakes) {
      intake.keepIndexed();
      if (!intake.isOpen) this.#intakes.delete(intake);
    }
  }

  async close(): Promise<void> {
    await this.checker.close();
    await this.files.close();
    await this.#lock.release();
  }

  async #bringUpIndex(): Promise<void> {
    const onDisk = new Map((await this.files.list()).map((file) => [file.name, file]));
    for (const pack of this.table.packs()) {
      const file = onDisk.get(pack.name);
      if (file?.bytes === pack.bytes) {
        onDisk.delete(pack.name);
        continue;
      }
      const problem =
        file === undefined ? 'the file is missing' : `it has ${file.bytes} bytes instead of ${pack.bytes}`;
      const lost = this.table.removePack(pack.packId);
      this.log.error(
        { pack: pack.name, chunks: lost },
        knownError('PACK_CORRUPT', { pack: pack.name, problem }).message,
      );
    }
    // Newest first: a chunk that was captured again after damage counts in its new place.
    const unknown = [...onDisk.values()].sort((a, b) => b.modifiedMs - a.modifiedMs);
    for (const file of unknown) await this.#indexPack(file);
  }

  async #indexPack(file: PackFile): Promise<void> {
    const { name, bytes } = file;
    try {
      const { entries, isRescued } = await readPackContent(this.files.pathOf(name), name);
      this.table.addPack(name, bytes, entries);
      const chunks = entries.length;
      if (isRescued)
        this.log.error({ pack: name, chunks }, `Pack ${name} is damaged: ${chunks} chunks were found in it`);
      else this.log.info({ pack: name, chunks }, `Pack ${name} is indexed again`);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (!(error instanceof KnownError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      this.log.error({ pack: name, err: error }, `Pack ${name} is left out: ${problem}`);
    }
  }
}
