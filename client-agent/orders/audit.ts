/** The audit of one host: compares its disk with an image, chunk by chunk at its place, and writes nothing. */
import type { AuditOrder, Progress } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import type { AuditResult } from '#protocol/drift.ts';
import { KnownError } from '#protocol/errors.ts';
import { HoleSet } from '#protocol/holes.ts';
import type { Layout } from '#protocol/layout.ts';
import { decodeManifest, type Manifest, placeOf } from '#protocol/manifest.ts';
import { findDisk } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { holdsLayout } from '../disk/layout-check.ts';
import { readLayout } from '../disk/layout-reader.ts';
import type { ClearedRun } from '../disk/layout-writer.ts';
import { type LockedContainer, UnlockedDisk } from '../disk/unlocked-disk.ts';
import { DiskWorkers } from '../receive/disk-workers.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { readBack } from '../receive/read-back.ts';
import type { DeployMachine } from './deploy-machine.ts';
import { checkFit } from './fit.ts';
import { forgetSecrets, readSecrets } from './secrets.ts';
import { chunksWithin } from './target-chunks.ts';
import { isOpenedBy, payloadRun } from './target-containers.ts';

export interface AuditOptions {
  readonly machine: DeployMachine;
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/** May be repeated. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_TOO_SMALL, DISK_SECTOR_SIZE, LUKS_FAILED, AbortError. */
export async function runAudit(order: AuditOrder, { machine, signal, onProgress }: AuditOptions): Promise<AuditResult> {
  const { disks } = await machine.readInventory();
  const disk = findDisk(disks, order.disk);
  await requireUnused(disk, 'read');
  const manifestBytes = await machine.link.readManifest(order.manifestId, signal);
  const manifest = decodeManifest(manifestBytes, order.manifestId);
  checkFit(disk, manifest);
  const differing = HoleSet.all(manifest.chunkCount);
  const opened = await openContainers(order, disk, manifest, machine, signal);
  try {
    const count = machine.workerCount;
    const workers = await DiskWorkers.start({
      diskPath: opened?.unlocked.path ?? disk.path,
      manifestBytes,
      count,
    });
    try {
      const meter = new ProgressMeter('hash', differing, onProgress);
      const unverified = differing.clone();
      await readBack({ manifest, workers, unverified, holes: differing, unreadable: 'wrong', meter, signal });
    } finally {
      await workers.stop();
    }
  } finally {
    await opened?.unlocked.close();
  }
  // What is not encrypted, or with another key, is not what the image wants, whatever it reads like.
  for (const ordinal of chunksWithin(manifest, opened?.closed ?? [])) differing.add(ordinal);
  const layoutDiffers = !(await isLaidOut(disk, manifest.head.layout));
  return { disk: order.disk, layoutDiffers, ...driftOf(manifest, differing) };
}

/** The LUKS containers of the image that a secret of the order opens on this disk, and where the payloads of the others would lie. */
async function openContainers(
  order: AuditOrder,
  disk: Disk,
  { head: { containers } }: Manifest,
  { link }: DeployMachine,
  signal: AbortSignal,
): Promise<{ unlocked: UnlockedDisk; closed: ClearedRun[] } | undefined> {
  if (containers === undefined) return undefined;
  const keys = await readSecrets(order, link, signal);
  try {
    const locked: LockedContainer[] = [];
    const closed: ClearedRun[] = [];
    for (const container of containers) {
      if (await isOpenedBy(disk.path, container, keys)) locked.push({ container, keys });
      else closed.push(payloadRun(container));
    }
    return { unlocked: await UnlockedDisk.open(disk, locked, 'write'), closed };
  } finally {
    forgetSecrets(keys);
  }
}

/** What differs, in all and in each volume. Pure. */
export function driftOf(manifest: Manifest, differing: HoleSet): Omit<AuditResult, 'disk' | 'layoutDiffers'> {
  const volumes = manifest.volumes.map(({ kind, partition, filesystem }) => ({
    kind,
    ...(partition === undefined ? {} : { partition }),
    ...(filesystem === undefined ? {} : { filesystem }),
    ...nothing,
  }));
  const all = { ...nothing };
  for (let ordinal = 0; ordinal < manifest.chunkCount; ordinal++) {
    const { volume, plainBytes } = placeOf(manifest, ordinal);
    for (const sum of [all, volumes[manifest.volumes.indexOf(volume)]!]) {
      sum.chunks++;
      sum.bytes += plainBytes;
      if (!differing.has(ordinal)) continue;
      sum.differingChunks++;
      sum.differingBytes += plainBytes;
    }
  }
  return { ...all, volumes: volumes.filter(({ chunks }) => chunks > 0) };
}

const nothing = { chunks: 0, differingChunks: 0, bytes: 0, differingBytes: 0 };

async function isLaidOut(disk: Disk, wanted: Layout): Promise<boolean> {
  try {
    return holdsLayout(await readLayout(disk.path, disk.sectorBytes), wanted);
  } catch (error) {
    // A table that nobody can read is another one.
    if (error instanceof KnownError) return false;
    throw error;
  }
}
