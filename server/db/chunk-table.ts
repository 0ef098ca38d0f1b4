/** SQL of the chunk index: which pack holds which chunk, and where. Everything here can be rebuilt from the packs. */
import type { Database } from './database.ts';

export interface PackRow {
  readonly packId: number;
  /** Hex of the BLAKE3-256 of the pack's index: its file name. */
  readonly name: string;
  /** Size of the file. */
  readonly bytes: number;
}

export interface ChunkRow {
  /** 32 bytes. */
  readonly id: Buffer;
  /** Byte offset of the stored header in the pack. */
  readonly offset: number;
  /** Without the header. */
  readonly storedBytes: number;
  readonly plainBytes: number;
}

/** `[packId, offset, storedBytes, plainBytes]` of one chunk: the columns as SQLite gives them, without an object a chunk. */
export type ChunkPosition = [packId: number, offset: number, storedBytes: number, plainBytes: number];

export class ChunkTable {
  readonly #find;
  readonly #packs;
  readonly #packName;
  readonly #packByName;
  readonly #chunksOf;
  readonly #chunkCount;
  readonly #addPack: (name: string, bytes: number, chunks: readonly ChunkRow[]) => number;
  readonly #removePack: (packId: number) => number;
  readonly #replacePack: (oldPackId: number, name: string, bytes: number, chunks: readonly ChunkRow[]) => void;
  readonly #forget: (ids: readonly Uint8Array[]) => void;

  constructor(database: Database) {
    this.#find = database
      .prepare<[Uint8Array], ChunkPosition>(
        'SELECT pack_id, offset, stored_bytes, plain_bytes FROM chunk WHERE chunk_id = ?',
      )
      .raw();
    this.#packs = database.prepare<[], PackRow>('SELECT pack_id AS packId, name, bytes FROM pack ORDER BY pack_id');
    this.#packName = database.prepare<[number], string>('SELECT name FROM pack WHERE pack_id = ?').pluck();
    this.#packByName = database.prepare<[string], number>('SELECT pack_id FROM pack WHERE name = ?').pluck();
    this.#chunksOf = database.prepare<[number], ChunkRow>(
      `SELECT chunk_id AS id, offset, stored_bytes AS storedBytes, plain_bytes AS plainBytes
       FROM chunk WHERE pack_id = ? ORDER BY offset`,
    );
    this.#chunkCount = database.prepare<[], number>('SELECT count(*) FROM chunk').pluck();

    const insertPack = database.prepare('INSERT INTO pack (name, bytes) VALUES (?, ?)');
    const resizePack = database.prepare('UPDATE pack SET bytes = ? WHERE pack_id = ?');
    const deletePack = database.prepare('DELETE FROM pack WHERE pack_id = ?');
    const deleteChunksOf = database.prepare('DELETE FROM chunk WHERE pack_id = ?');
    const deleteChunk = database.prepare('DELETE FROM chunk WHERE chunk_id = ?');
    // A chunk that lies in two packs is indexed once: whichever came first.
    const insertChunk = database.prepare(
      'INSERT OR IGNORE INTO chunk (chunk_id, pack_id, offset, stored_bytes, plain_bytes) VALUES (?, ?, ?, ?, ?)',
    );
    const add = (name: string, bytes: number, chunks: readonly ChunkRow[]): number => {
      const known = this.#packByName.get(name);
      const packId = known ?? Number(insertPack.run(name, bytes).lastInsertRowid);
      if (known !== undefined) resizePack.run(bytes, known);
      for (const chunk of chunks) {
        insertChunk.run(chunk.id, packId, chunk.offset, chunk.storedBytes, chunk.plainBytes);
      }
      return packId;
    };
    const remove = (packId: number): number => {
      const removed = deleteChunksOf.run(packId).changes;
      deletePack.run(packId);
      return removed;
    };
    this.#addPack = database.transaction(add);
    this.#removePack = database.transaction(remove);
    this.#replacePack = database.transaction((oldPackId, name, bytes, chunks) => {
      remove(oldPackId);
      add(name, bytes, chunks);
    });
    this.#forget = database.transaction((ids) => {
      for (const id of ids) deleteChunk.run(id);
    });
  }

  find(id: Uint8Array): ChunkPosition | undefined {
    return this.#find.get(id);
  }

  has(id: Uint8Array): boolean {
    return this.#find.get(id) !== undefined;
  }

  packs(): PackRow[] {
    return this.#packs.all();
  }

  packName(packId: number): string | undefined {
    return this.#packName.get(packId);
  }

  hasPack(name: string): boolean {
    return this.#packByName.get(name) !== undefined;
  }

  /** Chunks that are indexed in this pack, in the order in which they lie. */
  chunksOf(packId: number): ChunkRow[] {
    return this.#chunksOf.all(packId);
  }

  chunkCount(): number {
    return this.#chunkCount.get() ?? 0;
  }

  /** Indexes a pack in one transaction. May be repeated; a chunk that is indexed elsewhere stays there. */
  addPack(name: string, bytes: number, chunks: readonly ChunkRow[]): number {
    return this.#addPack(name, bytes, chunks);
  }

  /** Takes a pack and its chunks out of the index; returns how many chunks went. */
  removePack(packId: number): number {
    return this.#removePack(packId);
  }

  /** Puts a new pack in an old one's place in one transaction: what is not in `chunks` leaves the index. */
  replacePack(oldPackId: number, name: string, bytes: number, chunks: readonly ChunkRow[]): void {
    this.#replacePack(oldPackId, name, bytes, chunks);
  }

  /** Takes chunks out of the index, so that the next capture brings them again. */
  forget(ids: readonly Uint8Array[]): void {
    this.#forget(ids);
  }
}
