/**
 * The chunks of one capture on their way into the store.
 *
 * They go into packs of this intake's own. Those packs are complete files as soon as they are full, but nobody else sees
 * them before `finish`, which indexes them: so two captures that run at once never build on chunks that the other may
 * take back, and `abort` may simply delete. Chunks that two intakes bring at once are stored twice and indexed once.
 *
 * After `finish` the chunks stay removable by `abort` until another intake could have deduplicated against them or a
 * version was added to the catalog; from then on only the pruner removes them.
 *
 * A daemon that is killed leaves complete packs, which the next start indexes: the next capture goes on from there.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChunksAnswer } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { knownError } from '#protocol/errors.ts';
import type { ChunkTable, PackRow } from '../db/chunk-table.ts';
import type { ChunkChecker } from './chunk-checker.ts';
import { ChunkIdSet } from './chunk-id-set.ts';
import { type ChunkBatch, joinIds, readChunkBatches } from './chunk-stream.ts';
import type { PackFiles } from './pack-files.ts';
import { readPackContent } from './pack-reader.ts';
import { type ChunkSlice, PackWriter } from './pack-writer.ts';
import { requireRoom, writeIntoStore } from './store-space.ts';

export interface Intake {
  /** n · 32 bytes of ids → bitmap of ceil(n/8) bytes, bit i set: neither the store nor this intake has id i. */
  lacking(ids: Uint8Array): Buffer;
  /**
   * Takes stored chunks one after another; each is decompressed and hashed in a worker before it is kept. Chunks before
   * a bad one are kept. Several streams may run at once. Throws STREAM_CORRUPT, CHUNK_CORRUPT, STORE_FULL.
   */
  write(stream: AsyncIterable<Uint8Array>): Promise<ChunksAnswer>;
  /** Every chunk written so far is safe on disk and in the index. May be repeated. `addedBytes`: size of all packs of this intake. Throws STORE_FULL. */
  finish(): Promise<{ addedBytes: number }>;
  /** Removes what this intake added and frees the space. May be repeated; every other call fails afterwards. */
  abort(): Promise<void>;
}

/** What an intake needs of the store that it belongs to. */
export interface IntakeStore {
  readonly dir: string;
  readonly table: ChunkTable;
  readonly files: PackFiles;
  readonly checker: ChunkChecker;
  /** How many intakes hold an unindexed pack of this name: equal captures at once make equal packs. */
  readonly claims: Map<string, number>;
  /** Called when the intake begins, and when it goes on after finish: what others have finished may be built upon now. */
  register(intake: PackIntake): void;
  /** True when another intake runs that may build on what becomes visible now. */
  hasOthers(intake: PackIntake): boolean;
}

export class PackIntake implements Intake {
  readonly #store: IntakeStore;
  /** Ids of this intake that are not indexed yet. */
  readonly #held = new ChunkIdSet();
  #writer: PackWriter | undefined;
  /** Complete, not yet indexed. */
  #published: { name: string; bytes: number }[] = [];
  /** Indexed by finish, still removable. */
  #removable: string[] = [];
  #addedBytes = 0;
  #isOpen = false;
  /** Why nothing more can be kept: the pack being written was lost, or abort was called. */
  #failure: Error | undefined;
  /** Tail of the queue of everything that touches the packs. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(store: IntakeStore) {
    this.#store = store;
    this.#open();
  }

  /** False once all its chunks are visible to everybody, and after abort. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** From now on only the pruner removes what finish has indexed. */
  keepIndexed(): void {
    this.#removable = [];
  }

  lacking(ids: Uint8Array): Buffer {
    this.#open();
    const bitmap = Buffer.alloc(Math.ceil(ids.length / CHUNK_ID_BYTES / 8));
    for (let i = 0; i * CHUNK_ID_BYTES < ids.length; i++) {
      if (!this.#has(ids.subarray(i * CHUNK_ID_BYTES, (i + 1) * CHUNK_ID_BYTES))) bitmap[i >> 3]! |= 1 << (i & 7);
    }
    return bitmap;
  }

  async write(stream: AsyncIterable<Uint8Array>): Promise<ChunksAnswer> {
    this.#open();
    const answer = { stored: 0, duplicates: 0 };
    // One batch is checked and kept while the next is read: never more than three buffers.
    let keeping = Promise.resolve();
    try {
      for await (const batch of readChunkBatches(stream)) {
        const kept = this.#checkAndKeep(batch, answer);
        kept.catch(() => {}); // it is awaited below, maybe after the other one has failed
        await keeping;
        keeping = kept;
      }
    } finally {
      await keeping;
    }
    return answer;
  }

  finish(): Promise<{ addedBytes: number }> {
    return this.#inTurn(async () => {
      this.#throwIfFailed();
      await this.#publish();
      const isShared = this.#store.hasOthers(this);
      while (this.#published.length > 0) {
        const { name, bytes } = this.#published[0]!;
        // Read back rather than remembered: an image's worth of chunks does not stay in memory, and what is indexed is what is on the disk.
        const { entries } = await readPackContent(this.#store.files.pathOf(name), name);
        // The very same pack may have been finished by an equal capture: then it is not ours to remove.
        if (!isShared && !this.#store.table.hasPack(name)) this.#removable.push(name);
        await writeIntoStore(this.#store.dir, async () => this.#store.table.addPack(name, bytes, entries));
        this.#published.shift();
        this.#unclaim(name);
        await nextTurn();
      }
      this.#held.clear();
      this.#isOpen = false;
      return { addedBytes: this.#addedBytes };
    });
  }

  abort(): Promise<void> {
    this.#failure ??= new Error('this capture was given up');
    return this.#inTurn(async () => {
      await this.#writer?.discard();
      this.#writer = undefined;
      const { table, files, claims } = this.#store;
      const unindexed = this.#published.map((pack) => pack.name);
      for (const name of unindexed) this.#unclaim(name);
      // What is not indexed goes first: taking the others out of the index needs room in the database.
      for (const name of unindexed) {
        // Another intake may have made, or even indexed, the very same pack.
        if (!claims.has(name) && !table.hasPack(name)) await files.remove(name);
      }
      for (const pack of table.packs()) {
        if (this.#removable.includes(pack.name)) await this.#removeIndexed(pack);
      }
      this.#published = [];
      this.#removable = [];
      this.#held.clear();
      this.#isOpen = false;
    });
  }

  #open(): void {
    this.#throwIfFailed();
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#store.register(this);
  }

  async #checkAndKeep(batch: ChunkBatch, answer: { stored: number; duplicates: number }): Promise<void> {
    const wanted = batch.chunks.filter((chunk) => !this.#has(chunk.id));
    answer.duplicates += batch.chunks.length - wanted.length;
    if (wanted.length === 0) return;
    const starts = Uint32Array.from(wanted, (chunk) => chunk.at);
    const checked = await this.#store.checker.check({ bytes: batch.bytes, starts, ids: joinIds(wanted) });
    const firstBad = checked.problems[0];
    const good = wanted.slice(0, firstBad?.[0]);
    await this.#inTurn(() => this.#keep(Buffer.from(checked.bytes.buffer), good, answer));
    if (firstBad === undefined) return;
    const [index, problem] = firstBad;
    const chunk = Buffer.from(wanted[index]!.id).toString('hex');
    throw knownError('CHUNK_CORRUPT', { chunk, pack: '(being uploaded)', problem });
  }

  async #keep(
    bytes: Buffer,
    chunks: readonly ChunkSlice[],
    answer: { stored: number; duplicates: number },
  ): Promise<void> {
    this.#throwIfFailed();
    // A chunk may come twice in a batch, and another stream may have brought it meanwhile.
    const ids = new ChunkIdSet();
    const fresh = chunks.filter((chunk) => !this.#has(chunk.id) && ids.add(chunk.id));
    answer.duplicates += chunks.length - fresh.length;
    if (fresh.length === 0) return;
    await requireRoom(this.#store.dir, bytes.length);
    await writeIntoStore(this.#store.dir, async () => {
      this.#writer ??= await PackWriter.create(this.#store.files);
      await this.#writer.append(bytes, fresh);
    });
    for (const chunk of fresh) this.#held.add(chunk.id);
    answer.stored += fresh.length;
    if (this.#writer?.isFull) await this.#publish();
  }

  async #publish(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    try {
      const { name, bytes } = await writeIntoStore(this.#store.dir, () => writer.publish());
      this.#published.push({ name, bytes });
      this.#store.claims.set(name, (this.#store.claims.get(name) ?? 0) + 1);
      this.#addedBytes += bytes;
    } catch (error) {
      // The chunks of that pack are gone although `lacking` has said otherwise: this intake cannot go on.
      this.#failure = error as Error;
      throw error;
    }
  }

  async #removeIndexed({ packId, name }: PackRow): Promise<void> {
    const { table, files, claims } = this.#store;
    const isOurs = !claims.has(name);
    try {
      table.removePack(packId);
    } catch (error) {
      if (!isOurs) throw error;
      // No room in the database: the pack makes some. Nobody builds on it, or it would not be removable.
      await files.remove(name);
      table.removePack(packId);
    }
    if (isOurs) await files.remove(name);
  }

  #has(id: Uint8Array): boolean {
    return this.#held.has(id) || this.#store.table.has(id);
  }

  #unclaim(name: string): void {
    const count = (this.#store.claims.get(name) ?? 0) - 1;
    if (count > 0) this.#store.claims.set(name, count);
    else this.#store.claims.delete(name);
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(step);
    this.#queue = result.catch(() => {});
    return result;
  }
}
