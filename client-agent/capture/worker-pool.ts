/** The worker threads of a capture, and the jobs that wait for one of them. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorBody, KnownError } from '#protocol/errors.ts';
import type { SourceVolume } from './batches.ts';
import type { BadSectors, LoadedBatch } from './chunk-loader.ts';

/** Each costs 30 to 40 MB, most of it what zstd and V8 have not given back yet. */
const MAX_WORKERS = 4;

/** The chunks are not on V8's heap; a small one makes it collect the buffers that zstd gave it. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 };

export interface CaptureWorkerData {
  /** Of every disk that is captured. */
  readonly diskPaths: readonly string[];
  readonly chunkBytes: number;
  readonly zstdLevel: number;
  readonly memory: SharedArrayBuffer;
  readonly badSectors: BadSectors;
}

interface BatchInSlot {
  readonly slot: number;
  /** With the extents that the batch touches only. */
  readonly volume: SourceVolume;
  readonly indices: Uint32Array;
}
/** Reads a batch into its slot. */
type LoadJob = BatchInSlot & { readonly kind: 'load' };
/** Makes stored chunks of some of the chunks in the slot; `ids` has 32 bytes for each of `places`. */
type PackJob = BatchInSlot & { readonly kind: 'pack'; readonly places: Uint32Array; readonly ids: Uint8Array };
export type CaptureJob = LoadJob | PackJob;

export type CaptureJobResult =
  | ({ readonly kind: 'loaded' } & LoadedBatch)
  | { readonly kind: 'packed'; readonly storedBytes: number }
  | { readonly kind: 'failed'; readonly error: ErrorBody };

interface Waiting {
  readonly job: CaptureJob;
  readonly resolve: (result: CaptureJobResult) => void;
  readonly reject: (error: Error) => void;
}

export class CaptureWorkers {
  readonly #workers: Worker[];
  readonly #idle: Worker[] = [];
  readonly #running = new Map<Worker, Waiting>();
  /** Batches that are loaded go first: they free a slot. */
  readonly #packJobs: Waiting[] = [];
  readonly #loadJobs: Waiting[] = [];
  #failure: Error | undefined;

  /** At least two threads: while one waits for the disk, the other compresses. */
  constructor(data: CaptureWorkerData, threads = Math.min(Math.max(availableParallelism(), 2), MAX_WORKERS)) {
    this.#workers = Array.from({ length: threads }, () => this.#start(data));
    this.#idle.push(...this.#workers);
  }

  /** Throws DISK_READ_FAILED. */
  async load(batch: BatchInSlot): Promise<LoadedBatch> {
    const result = await this.#run({ kind: 'load', ...batch });
    if (result.kind === 'loaded') return result;
    throw new Error(`a load job was answered by ${result.kind}`);
  }

  /** Bytes of the stored chunks, which lie in the slot's stored part. */
  async pack(batch: BatchInSlot, places: Uint32Array, ids: Uint8Array): Promise<number> {
    const result = await this.#run({ kind: 'pack', ...batch, places, ids });
    if (result.kind === 'packed') return result.storedBytes;
    throw new Error(`a pack job was answered by ${result.kind}`);
  }

  /** Ends the threads in the middle of whatever they do; waiting jobs are rejected with `reason`. */
  async stop(reason: Error = new Error('the capture has ended')): Promise<void> {
    this.#fail(reason);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #start(data: CaptureWorkerData): Worker {
    const worker = new Worker(new URL('./capture-worker.ts', import.meta.url), {
      workerData: data,
      resourceLimits: HEAP_LIMITS,
    });
    worker.on('message', (result: CaptureJobResult) => this.#finish(worker, result));
    worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => this.#fail(new Error('a worker thread of the capture ended')));
    return worker;
  }

  #run(job: CaptureJob): Promise<CaptureJobResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      (job.kind === 'pack' ? this.#packJobs : this.#loadJobs).push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#idle.length > 0) {
      const waiting = this.#packJobs.shift() ?? this.#loadJobs.shift();
      if (waiting === undefined) return;
      const worker = this.#idle.pop()!;
      this.#running.set(worker, waiting);
      worker.postMessage(waiting.job);
    }
  }

  #finish(worker: Worker, result: CaptureJobResult): void {
    const waiting = this.#running.get(worker);
    this.#running.delete(worker);
    this.#idle.push(worker);
    if (result.kind === 'failed') waiting?.reject(new KnownError(result.error));
    else waiting?.resolve(result);
    this.#dispatch();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const waiting = [...this.#running.values(), ...this.#packJobs.splice(0), ...this.#loadJobs.splice(0)];
    this.#running.clear();
    for (const { reject } of waiting) reject(this.#failure);
  }
}
