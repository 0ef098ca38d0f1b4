/** Reads every chunk of a version, or of the whole store, and says which are damaged or missing. */
import type { VerifyLine } from '#protocol/admin/image-api.ts';
import { CHUNK_ID_BYTES } from '#protocol/chunk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { Manifest } from '#protocol/manifest.ts';
import type { Catalog } from './catalog.ts';
import { ChunkIdSet } from './chunk-id-set.ts';
import { type CheckedRun, type ChunkRun, checkRun, groupRuns } from './chunk-run.ts';
import type { ChunkStore } from './chunk-store.ts';

/** A line is yielded after this many chunks … */
const LINE_CHUNKS = 1000;
/** … or after this many ms. */
const LINE_MS = 500;
const MAX_NAMED = 100;

export interface VerifyOptions {
  readonly store: ChunkStore;
  readonly catalog: Catalog;
  /** NAME (its newest version) or NAME@3; absent: everything that is in the store or that any version needs. */
  readonly ref?: string;
  readonly signal?: AbortSignal;
}

/**
 * Yields a line now and then, and a last one with `done`. Damage never ends it. A damaged chunk is taken out of the
 * index, so that the next capture of that disk puts it back.
 * Throws IMAGE_UNKNOWN, VERSION_UNKNOWN; AbortError when the signal fires.
 */
export async function* verifyChunks(options: VerifyOptions): AsyncGenerator<VerifyLine> {
  const { store, catalog, ref, signal } = options;
  const manifestIds = ref === undefined ? await catalog.liveManifestIds() : [catalog.resolve(ref).version.manifestId];
  const wanted = ref === undefined ? undefined : new ChunkIdSet();
  const tally = new Tally();
  const missing = new ChunkIdSet();
  for (const manifestId of manifestIds) {
    signal?.throwIfAborted();
    const manifest = await loadOrTell(catalog, manifestId, tally);
    if (manifest === undefined) continue;
    wanted?.addAll(manifest.ids);
    for (const id of await lackingIds(store, manifest)) {
      if (missing.add(id)) tally.miss(id);
    }
  }
  tally.totalChunks = wanted?.size ?? store.table.chunkCount() + missing.size;

  let lineAt = performance.now();
  let lineChunks = tally.checkedChunks;
  for await (const run of checkPacks(store, wanted, signal)) {
    tally.count(run);
    if (run.bad.length > 0) store.table.forget(run.bad.map(({ id }) => id));
    for (const { id, problem } of run.bad) store.log.error({ chunk: id.toString('hex') }, `Damaged chunk: ${problem}`);
    if (tally.checkedChunks - lineChunks < LINE_CHUNKS && performance.now() - lineAt < LINE_MS) continue;
    yield tally.line(false);
    lineAt = performance.now();
    lineChunks = tally.checkedChunks;
  }
  yield tally.line(true);
}

/** Every wanted chunk, pack after pack in the order in which they lie; the next run is read while one is checked. */
async function* checkPacks(
  store: ChunkStore,
  wanted: ChunkIdSet | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<CheckedRun> {
  let checking: Promise<CheckedRun> | undefined;
  for (const { packId } of store.table.packs()) {
    const chunks = store.table.chunksOf(packId).filter((chunk) => wanted?.has(chunk.id) ?? true);
    for (const run of groupRuns(chunks)) {
      signal?.throwIfAborted();
      const next = startCheck(store, packId, run);
      if (checking !== undefined) yield await checking;
      checking = next;
    }
  }
  if (checking !== undefined) yield await checking;
}

function startCheck(store: ChunkStore, packId: number, run: ChunkRun): Promise<CheckedRun> {
  const checking = checkRun(store, packId, run);
  checking.catch(() => {}); // whoever still iterates awaits it; when nobody does, nobody needs it
  return checking;
}

async function loadOrTell(catalog: Catalog, manifestId: string, tally: Tally): Promise<Manifest | undefined> {
  try {
    return await catalog.loadManifest(manifestId);
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    tally.tell(`manifest ${manifestId}: ${error.message}`);
    return undefined;
  }
}

async function lackingIds(store: ChunkStore, manifest: Manifest): Promise<Uint8Array[]> {
  const { packIds } = await store.locate(manifest.ids);
  const lacking: Uint8Array[] = [];
  packIds.forEach((packId, ordinal) => {
    const at = ordinal * CHUNK_ID_BYTES;
    if (packId === -1) lacking.push(manifest.ids.subarray(at, at + CHUNK_ID_BYTES));
  });
  return lacking;
}

class Tally {
  totalChunks = 0;
  checkedChunks = 0;
  #checkedBytes = 0;
  #badCount = 0;
  readonly #bad: string[] = [];

  count(run: CheckedRun): void {
    this.checkedChunks += run.good.length + run.bad.length;
    this.#checkedBytes += run.good.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
    for (const { id, problem } of run.bad) this.tell(`${id.toString('hex')}: ${problem}`);
  }

  miss(id: Uint8Array): void {
    this.checkedChunks++;
    this.tell(`${Buffer.from(id).toString('hex')}: it is not in the store`);
  }

  tell(bad: string): void {
    this.#badCount++;
    if (this.#bad.length < MAX_NAMED) this.#bad.push(bad);
  }

  line(done: boolean): VerifyLine {
    return {
      checkedChunks: this.checkedChunks,
      totalChunks: this.totalChunks,
      checkedBytes: this.#checkedBytes,
      bad: [...this.#bad],
      badCount: this.#badCount,
      done,
    };
  }
}
