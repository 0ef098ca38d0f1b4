/** The audit of one host: compares its disks with an image, chunk by chunk at its place, and writes nothing. */
import type { AuditOrder, Progress } from '#protocol/agent-api.ts';
import type { AuditResult, DiskDrift } from '#protocol/drift.ts';
import { type FailedDisk, hasFailed } from '#protocol/failed-disk.ts';
import { decodeManifest } from '#protocol/manifest.ts';
import { disksOf } from '#protocol/twin.ts';
import { findDisks } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { ProgressMeter } from '../receive/progress-meter.ts';
import { DiskAudit, type noDrift, strayOf } from './audit-disk.ts';
import type { DeployMachine } from './deploy-machine.ts';
import { onEachDisk } from './each-disk.ts';
import { forgetSecrets, readSecrets } from './secrets.ts';

export interface AuditOptions {
  readonly machine: DeployMachine;
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * May be repeated. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_TOO_SMALL, DISK_SECTOR_SIZE, LUKS_FAILED, AbortError; DISKS_FAILED
 * when none of several could be read.
 */
export async function runAudit(order: AuditOrder, { machine, signal, onProgress }: AuditOptions): Promise<AuditResult> {
  const inventory = await machine.readInventory();
  const disks = findDisks(inventory.disks, disksOf(order));
  for (const disk of disks) await requireUnused(disk, 'read');
  const manifestBytes = await machine.link.readManifest(order.manifestId, signal);
  const manifest = decodeManifest(manifestBytes, order.manifestId);
  const keys = manifest.head.containers === undefined ? [] : await readSecrets(order, machine.link, signal);
  try {
    const ordered = [{ source: 0, fit: order.fit }, ...(order.twins ?? [])];
    const audits = disks.map((disk, i) => {
      const { source = 0, fit } = ordered[i]!;
      return new DiskAudit({ manifest, manifestBytes, keys }, { disk, source, fit });
    });
    return { ...sumUp(await runAudits(audits, { machine, signal, onProgress })), disk: order.disk };
  } finally {
    forgetSecrets(keys);
  }
}

function runAudits(
  audits: readonly DiskAudit[],
  { machine, signal, onProgress }: AuditOptions,
): Promise<(DiskDrift | FailedDisk)[]> {
  const differing = {
    get count() {
      return audits.reduce((sum, audit) => sum + audit.differing.count, 0);
    },
  };
  const warnings: string[] = [];
  const shares = new ProgressMeter('hash', differing, onProgress, warnings).shares(audits.length);
  const threads = Math.ceil(machine.workerCount / audits.length);
  const disks = audits.map(({ disk }) => disk);
  return onEachDisk(disks, { signal, log: machine.log, warnings }, (_, i) =>
    audits[i]!.run({ threads, meter: shares[i]!, signal }),
  );
}

/** Pure. */
function sumUp(results: readonly (DiskDrift | FailedDisk)[]): Omit<AuditResult, 'disk'> {
  const read = results.filter((one): one is DiskDrift => !hasFailed(one));
  const sumOf = (key: keyof typeof noDrift) => read.reduce((sum, one) => sum + one[key], 0);
  return {
    layoutDiffers: read.some(({ layoutDiffers }) => layoutDiffers),
    chunks: sumOf('chunks'),
    differingChunks: sumOf('differingChunks'),
    bytes: sumOf('bytes'),
    differingBytes: sumOf('differingBytes'),
    ...strayOf(read.reduce((sum, { strayBytes = 0 }) => sum + strayBytes, 0)),
    volumes: read.flatMap(({ volumes }) => volumes),
    ...(results.length === 1 ? {} : { disks: [...results] }),
  };
}
