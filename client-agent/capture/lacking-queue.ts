/** Asks the server which chunks it lacks: one call at a time, with everything that came together while the last one travelled. */
import { MAX_LACKING_IDS } from '#protocol/agent-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';

interface Question {
  readonly ids: Uint8Array;
  /** Gets the places of the chunks that the server lacks. */
  readonly resolve: (lacking: number[]) => void;
  readonly reject: (error: unknown) => void;
}

export class LackingQueue {
  readonly #ask: (ids: Buffer) => Promise<Buffer>;
  #waiting: Question[] = [];
  #isAsking = false;

  /** `ask` answers one bit an id, set when the server lacks it (protocol/agent-api.ts). */
  constructor(ask: (ids: Buffer) => Promise<Buffer>) {
    this.#ask = ask;
  }

  /** Which of these (at most MAX_LACKING_IDS, 32 bytes each) the server lacks, as places in the list. Throws what `ask` throws. */
  lacking(ids: Uint8Array): Promise<number[]> {
    if (ids.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ids, resolve, reject });
      if (!this.#isAsking) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const questions = this.#take();
      try {
        const bits = await this.#ask(Buffer.concat(questions.map((question) => question.ids)));
        let first = 0;
        for (const { ids, resolve } of questions) {
          const count = ids.length / CHUNK_ID_BYTES;
          resolve(setBits(bits, first, count));
          first += count;
        }
      } catch (error) {
        for (const { reject } of questions) reject(error);
      }
    }
    this.#isAsking = false;
  }

  #take(): Question[] {
    let bytes = 0;
    let count = 0;
    for (const { ids } of this.#waiting) {
      if (count > 0 && bytes + ids.length > MAX_LACKING_IDS * CHUNK_ID_BYTES) break;
      bytes += ids.length;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

function setBits(bits: Buffer, first: number, count: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < count; i++) if ((bits[(first + i) >> 3]! >> ((first + i) & 7)) & 1) places.push(i);
  return places;
}
