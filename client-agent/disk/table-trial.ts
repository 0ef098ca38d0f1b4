/** Lays a partition table on an empty file before an image is made of it: what cannot be laid again must not come out on forty hosts. */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';
import { checkLayout } from './layout-check.ts';
import { applyLayout } from './layout-writer.ts';

/** Throws LAYOUT_UNSUPPORTED, PROGRAM_MISSING. */
export async function tryLayout(diskPath: string, layout: Layout): Promise<void> {
  const { label, sectorBytes, diskBytes: sizeBytes } = layout;
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-table-'));
  try {
    const path = join(folder, 'disk');
    await writeFile(path, '');
    // Of no filesystem for temporary files is a file as large as the largest disks: then nothing is tried.
    if (
      !(await truncate(path, sizeBytes).then(
        () => true,
        () => false,
      ))
    )
      return;
    await applyLayout({ path, sizeBytes, sectorBytes }, layout);
    await checkLayout({ path, sectorBytes }, layout);
  } catch (error) {
    if (!(error instanceof KnownError) || error.code === 'PROGRAM_MISSING') throw error;
    const values = { disk: diskPath, label, reason: error.message };
    throw knownError('LAYOUT_UNSUPPORTED', values, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
