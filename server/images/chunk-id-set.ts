/**
 * A set of chunk ids in typed arrays: about 60 bytes an id and no object, so that the ids of many images fit in memory.
 * Open addressing; an id is a BLAKE3 hash, so its first four bytes are as good as any hash of it.
 */
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';

const FIRST_SLOTS = 1024;

export class ChunkIdSet {
  #ids = Buffer.alloc(FIRST_SLOTS * CHUNK_ID_BYTES);
  /** 1 where the slot holds an id. */
  #used = new Uint8Array(FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: Uint8Array): boolean {
    return this.#used[this.#slotOf(id)] === 1;
  }

  /** Returns false when the id was in the set already. */
  add(id: Uint8Array): boolean {
    let slot = this.#slotOf(id);
    if (this.#used[slot] === 1) return false;
    if ((this.#size + 1) * 3 > this.#used.length * 2) {
      this.#grow();
      slot = this.#slotOf(id);
    }
    this.#used[slot] = 1;
    this.#ids.set(id, slot * CHUNK_ID_BYTES);
    this.#size++;
    return true;
  }

  /** Adds each of n · 32 bytes of ids. */
  addAll(ids: Uint8Array): void {
    for (let at = 0; at < ids.length; at += CHUNK_ID_BYTES) this.add(ids.subarray(at, at + CHUNK_ID_BYTES));
  }

  /** Empties the set and gives its memory back. */
  clear(): void {
    this.#ids = Buffer.alloc(FIRST_SLOTS * CHUNK_ID_BYTES);
    this.#used = new Uint8Array(FIRST_SLOTS);
    this.#size = 0;
  }

  /** Where the id is, or the free slot where it belongs. */
  #slotOf(id: Uint8Array): number {
    const mask = this.#used.length - 1;
    let slot = (id[0]! | (id[1]! << 8) | (id[2]! << 16) | (id[3]! << 24)) & mask;
    while (this.#used[slot] === 1 && !isEqualAt(this.#ids, slot * CHUNK_ID_BYTES, id)) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const ids = this.#ids;
    const used = this.#used;
    this.#ids = Buffer.alloc(ids.length * 2);
    this.#used = new Uint8Array(used.length * 2);
    for (let slot = 0; slot < used.length; slot++) {
      if (used[slot] !== 1) continue;
      const id = ids.subarray(slot * CHUNK_ID_BYTES, (slot + 1) * CHUNK_ID_BYTES);
      const target = this.#slotOf(id);
      this.#used[target] = 1;
      this.#ids.set(id, target * CHUNK_ID_BYTES);
    }
  }
}

function isEqualAt(bytes: Uint8Array, at: number, id: Uint8Array): boolean {
  for (let i = 0; i < CHUNK_ID_BYTES; i++) if (bytes[at + i] !== id[i]) return false;
  return true;
}
