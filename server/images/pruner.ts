/** Frees the space of chunks that no version needs: the only code that deletes from the store. */
import type { PruneAnswer } from '#protocol/admin/image-api.ts';
import type { ChunkRow, PackRow } from '../db/chunk-table.ts';
import type { Catalog } from './catalog.ts';
import { ChunkIdSet } from './chunk-id-set.ts';
import { checkRun, groupRuns } from './chunk-run.ts';
import type { ChunkStore } from './chunk-store.ts';
import { packBytesOf } from './pack.ts';
import { PackWriter } from './pack-writer.ts';
import { writeIntoStore } from './store-space.ts';

export interface PruneOptions {
  readonly store: ChunkStore;
  readonly catalog: Catalog;
  /** Only says what would go. */
  readonly dryRun: boolean;
}

export type PackFate = 'keep' | 'rewrite' | 'remove';

/** What becomes of a pack: without a live chunk it goes; when less than half of it is live it is written anew. */
export function decideFate(packBytes: number, live: readonly ChunkRow[]): PackFate {
  if (live.length === 0) return 'remove';
  return packBytesOf(live) * 2 < packBytes ? 'rewrite' : 'keep';
}

/**
 * No intake may run meanwhile. Safe to kill at any point: a new pack is complete before the index names it, and the old
 * one goes last; at worst a chunk lies in two packs until the next prune.
 * Throws MANIFEST_CORRUPT or MANIFEST_NEWER, and deletes nothing, while a version's manifest cannot be read: which chunks
 * it needs is not known then. Throws STORE_FULL when there is no room to rewrite a pack.
 */
export async function prune({ store, catalog, dryRun }: PruneOptions): Promise<PruneAnswer> {
  const live = new ChunkIdSet();
  for (const manifestId of await catalog.liveManifestIds()) {
    live.addAll((await catalog.loadManifest(manifestId)).ids);
  }
  const answer = { dryRun, removedChunks: 0, removedPacks: 0, rewrittenPacks: 0, freedBytes: 0 };
  if (!dryRun) for (const manifestId of await catalog.orphanManifestIds()) await catalog.removeManifest(manifestId);

  const toRewrite: PackRow[] = [];
  for (const pack of store.table.packs()) {
    const chunks = store.table.chunksOf(pack.packId);
    const kept = chunks.filter((chunk) => live.has(chunk.id));
    const fate = decideFate(pack.bytes, kept);
    if (fate === 'keep') continue;
    answer.removedChunks += chunks.length - kept.length;
    answer.freedBytes += fate === 'remove' ? pack.bytes : pack.bytes - packBytesOf(kept);
    if (fate === 'rewrite') toRewrite.push(pack);
    else answer.removedPacks++;
    if (fate === 'remove' && !dryRun) await removePack(store, pack);
  }
  answer.rewrittenPacks = toRewrite.length;
  // Last, so that what went has made room.
  if (!dryRun) for (const pack of toRewrite) await rewritePack(store, pack, live);
  return answer;
}

async function removePack(store: ChunkStore, pack: PackRow): Promise<void> {
  store.table.removePack(pack.packId);
  await store.files.remove(pack.name);
}

async function rewritePack(store: ChunkStore, pack: PackRow, live: ChunkIdSet): Promise<void> {
  const kept = store.table.chunksOf(pack.packId).filter((chunk) => live.has(chunk.id));
  const published = await writeIntoStore(store.dir, async () => {
    const writer = await PackWriter.create(store.files);
    try {
      for (const run of groupRuns(kept)) {
        const { bytes, good, bad } = await checkRun(store, pack.packId, run);
        await writer.append(bytes, good);
        for (const { id, problem } of bad) {
          store.log.error({ chunk: id.toString('hex'), pack: pack.name }, `A damaged chunk is left out: ${problem}`);
        }
      }
      return await writer.publish();
    } catch (error) {
      await writer.discard();
      throw error;
    }
  });
  store.table.replacePack(pack.packId, published.name, published.bytes, published.entries);
  if (published.name !== pack.name) await store.files.remove(pack.name);
}
