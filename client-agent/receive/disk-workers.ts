/** The threads that lay chunks on one disk and read them back. What they lay lies in memory that they share with the receiver. */
import { Worker } from 'node:worker_threads';
import { type ErrorBody, KnownError } from '#protocol/errors.ts';
import type { Fit } from '#protocol/fit.ts';
import { allocateAligned } from '../disk/direct-file.ts';
import type { ChunkFrame } from './frame-reader.ts';
import type { Slab, SlabPool } from './slab-pool.ts';

/** Longest single read or write of a disk, in bytes. */
const RUN_BYTES = 4 * 1024 * 1024;
/** With room for the byte that the decoder wants behind a chunk (zstd-decoder.ts). */
const RUN_MEMORY_BYTES = RUN_BYTES + 4096;

export interface WorkerStart {
  readonly diskPath: string;
  readonly manifest: SharedArrayBuffer;
  readonly source: number;
  /** Where its volumes lie on this disk; undefined: as on the source. */
  readonly fit: Fit | undefined;
  /** What comes to be laid lies in it; absent: nothing comes. */
  readonly slabs: SharedArrayBuffer | undefined;
  readonly runs: SharedArrayBuffer;
  readonly runOffset: number;
  readonly runBytes: number;
}

export interface LayJob {
  readonly kind: 'lay';
  readonly id: number;
  readonly slabOffset: number;
  readonly slabBytes: number;
  /** Four numbers a frame: ordinal, offset in the slab, payload bytes, plain bytes. */
  readonly frames: Uint32Array;
}
export type Job =
  | LayJob
  | { readonly kind: 'verify'; readonly id: number; readonly from: number; readonly to: number }
  | { readonly kind: 'sync' | 'close'; readonly id: number };

export interface JobAnswer {
  readonly id: number;
  /** Chunks written. */
  readonly good: number;
  /** Their bytes on the disk. */
  readonly plainBytes: number;
  /** Ordinals that did not match the manifest. */
  readonly bad: readonly number[];
  /** The job could not be done: a known error, or the text of a bug. */
  readonly failed?: ErrorBody | string;
}

interface Thread {
  readonly worker: Worker;
  /** Why it does no more jobs. */
  ended: Error | undefined;
  readonly jobs: Map<number, { resolve(answer: JobAnswer): void; reject(error: Error): void }>;
}

export class DiskWorkers {
  readonly #threads: Thread[];
  #nextId = 1;

  private constructor(threads: Thread[]) {
    this.#threads = threads;
  }

  /** Opens the disk in `count` threads. Only with `slabs` can anything be laid. Throws DISK_WRITE_FAILED when it cannot be opened. */
  static async start(o: {
    diskPath: string;
    manifestBytes: Buffer;
    /** Which disk of the image it is about, counted from 0; absent: the first, mostly the only one. */
    source?: number;
    fit?: Fit | undefined;
    count: number;
    slabs?: SlabPool;
  }): Promise<DiskWorkers> {
    const runs = allocateAligned(o.count * RUN_MEMORY_BYTES).buffer as unknown as SharedArrayBuffer;
    const manifest = new SharedArrayBuffer(o.manifestBytes.length);
    o.manifestBytes.copy(Buffer.from(manifest));
    const threads = Array.from({ length: o.count }, (_, i) =>
      startThread({
        diskPath: o.diskPath,
        manifest,
        source: o.source ?? 0,
        fit: o.fit,
        slabs: o.slabs?.memory,
        runs,
        runOffset: i * RUN_MEMORY_BYTES,
        runBytes: RUN_MEMORY_BYTES,
      }),
    );
    const workers = new DiskWorkers(threads);
    try {
      // The first answer shows that the thread could open its disk.
      await Promise.all(threads.map((thread) => workers.#do(thread, (id) => ({ kind: 'verify', id, from: 0, to: 0 }))));
    } catch (error) {
      await workers.stop();
      throw error;
    }
    return workers;
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Lays these frames of the slab on the disk; until it returns the slab must stay as it is. Throws DISK_WRITE_FAILED. */
  lay(slab: Slab, frames: readonly ChunkFrame[]): Promise<JobAnswer> {
    const numbers = new Uint32Array(frames.length * 4);
    frames.forEach((frame, i) => {
      numbers.set([frame.ordinal, frame.offset, frame.payloadBytes, frame.plainBytes], i * 4);
    });
    return this.#do(this.#idlest(), (id) => ({
      kind: 'lay',
      id,
      slabOffset: slab.bytes.byteOffset,
      slabBytes: slab.bytes.length,
      frames: numbers,
    }));
  }

  /** Reads the chunks [from, to) back around the page cache; gives the ordinals that are wrong. Throws DISK_READ_FAILED. */
  async verify(from: number, to: number): Promise<readonly number[]> {
    return (await this.#do(this.#idlest(), (id) => ({ kind: 'verify', id, from, to }))).bad;
  }

  /** Everything laid so far is on stable storage afterwards. Throws DISK_WRITE_FAILED. */
  async sync(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => this.#do(thread, (id) => ({ kind: 'sync', id }))));
  }

  /** Lets running jobs end, closes the disk and ends the threads. May be called twice. */
  async stop(): Promise<void> {
    for (const thread of this.#threads.splice(0)) {
      await this.#do(thread, (id) => ({ kind: 'close', id })).catch(() => undefined);
      await thread.worker.terminate();
    }
  }

  #idlest(): Thread {
    const [thread] = [...this.#threads].sort((a, b) => a.jobs.size - b.jobs.size);
    if (thread === undefined) throw new Error('the disk workers are stopped');
    return thread;
  }

  #do(thread: Thread, makeJob: (id: number) => Job): Promise<JobAnswer> {
    if (thread.ended !== undefined) return Promise.reject(thread.ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      thread.jobs.set(id, { resolve, reject });
      thread.worker.postMessage(makeJob(id));
    });
  }
}

function startThread(start: WorkerStart): Thread {
  const worker = new Worker(new URL('./disk-worker.ts', import.meta.url), { workerData: start });
  const thread: Thread = { worker, ended: undefined, jobs: new Map() };
  const { jobs } = thread;
  const failAll = (error: Error) => {
    thread.ended ??= error;
    for (const job of jobs.values()) job.reject(error);
    jobs.clear();
  };
  worker.on('message', (answer: JobAnswer) => {
    const job = jobs.get(answer.id);
    jobs.delete(answer.id);
    if (answer.failed === undefined) job?.resolve(answer);
    else job?.reject(typeof answer.failed === 'string' ? new Error(answer.failed) : new KnownError(answer.failed));
  });
  worker.on('error', (error) => failAll(restoreKnown(error)));
  worker.on('exit', () => failAll(new Error('the disk worker ended')));
  return thread;
}

/** An error that a thread died of loses its class on the way, not its fields. */
function restoreKnown(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const { code, next } = error as Partial<KnownError>;
  return code !== undefined && next !== undefined ? new KnownError({ code, message: error.message, next }) : error;
}
