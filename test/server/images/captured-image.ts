/** A disk, or several, captured into a store of its own by the agent's code, as the image `one`. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runCapture } from '#agent/orders/capture.ts';
import type { FitLine } from '#protocol/admin/image-api.ts';
import { type Fit, placeManifest } from '#protocol/fit.ts';
import type { Manifest } from '#protocol/manifest.ts';
import type { FitImageOptions } from '#server/images/image-fitter.ts';
import { writeVolumeFile } from '#server/images/volume-file.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { diskOf } from '#test/client-agent/test-disk.ts';
import { openTestStore } from './test-store.ts';

/** `options` are those of a fit of that image; copies are made in `folder`. */
export async function captureImage(t: TestContext, disk: string | readonly string[], folder: string) {
  const { store, catalog } = await openTestStore(t);
  const intake = await store.beginIntake();
  const link = {
    lacking: async (_taskId: number, ids: Buffer) => intake.lacking(ids),
    chunks: (_taskId: number, body: AsyncIterable<Uint8Array>) => intake.write(body),
    manifest: async (_taskId: number, manifestBytes: Buffer) => {
      const { addedBytes } = await intake.finish();
      return catalog.addVersion({ image: 'one', sourceHost: 'pc-1', manifestBytes, warnings: [], addedBytes });
    },
  };
  const sources = [disk].flat().map((path) => diskOf(path));
  const ids = { kind: 'capture' as const, rev: '', taskId: 1, sessionId: 1 };
  const order = { ...ids, disk: sources[0]!, chunkBytes: 64 * 1024, zstdLevel: 1 };
  const signal = new AbortController().signal;
  await runCapture(order, { disks: sources, link, signal, onProgress: () => undefined });
  const options: Omit<FitImageOptions, 'sizes' | 'name'> = {
    ...{ store, catalog, ref: 'one', workDir: join(folder, 'work'), zstdLevel: 1, signal },
  };
  /** Lays an image, its newest version, on an empty file, its volumes where `fit` says. Answers where they lie. */
  const lay = async (image: string, path: string, sizeBytes: number, fit?: Fit): Promise<Manifest> => {
    const manifest = await catalog.loadManifest(catalog.resolve(image).version.manifestId);
    makeEmptyFile(path, sizeBytes);
    const placed = placeManifest(manifest, fit);
    for (const [i, volume] of manifest.volumes.entries()) {
      const at = { path, offsetBytes: placed.volumes[i]!.startBytes };
      await writeVolumeFile({ store, image, manifest, volume, signal, onWritten: () => {}, ...at });
    }
    return placed;
  };
  return { store, catalog, options, lay };
}

export async function linesOf(lines: AsyncIterable<FitLine>): Promise<FitLine[]> {
  return Array.fromAsync(lines);
}
