/**
 * A span of a disk as a device that may be written to and never writes to the disk: what is written is kept in memory, by the
 * device-mapper (dmsetup(8), target snapshot; Documentation/admin-guide/device-mapper/snapshot.rst), and forgotten.
 */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import { createDevice, DM_SECTOR_BYTES, newDeviceName, removeDevice } from './device-mapper.ts';
import { type LoopSpan, withLoopDevice } from './loop-device.ts';

/** Most that may be written. LVM and md write a few KiB when they start; memory is taken only for what is. */
const STORE_BYTES = 64 * 1024 * 1024;
/** What is copied before it is written to, in sectors of 512 bytes. */
const COPY_SECTORS = 8;

/** Runs `use` with the device, which is gone afterwards. Throws PROGRAM_FAILED (no device-mapper in this kernel), PROGRAM_MISSING. */
export async function withOverlay<T>(span: Omit<LoopSpan, 'mode'>, use: (node: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-overlay-'));
  try {
    const path = join(folder, 'store');
    await writeFile(path, '');
    await truncate(path, STORE_BYTES);
    const { sectorBytes, sizeBytes } = span;
    const store = { path, startBytes: 0, sizeBytes: STORE_BYTES, sectorBytes, mode: 'write' as const };
    return await withLoopDevice({ ...span, mode: 'read' }, (origin) =>
      withLoopDevice(store, async (stored) => {
        const name = newDeviceName('overlay');
        const node = await createDevice(name, overlayTable(origin, stored, sizeBytes), 'write');
        try {
          return await use(node);
        } finally {
          await removeDevice(name);
        }
      }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `N`: what is written outlives nothing. Pure. */
function overlayTable(origin: string, store: string, sizeBytes: number): string {
  return `0 ${sizeBytes / DM_SECTOR_BYTES} snapshot ${origin} ${store} N ${COPY_SECTORS}\n`;
}

/** Whether this kernel has a device-mapper. */
export async function hasDeviceMapper(): Promise<boolean> {
  try {
    await run(['dmsetup', 'targets']);
    return true;
  } catch {
    return false;
  }
}
