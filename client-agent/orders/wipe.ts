/** The wipe of a host's disks: check that they are those of the plan and what they can, then erase them at once, then read back samples around the cache. */
import type { Inventory, WipeOrder } from '#protocol/agent-api.ts';
import { type Disk, describeDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { type FailedDisk, hasFailed } from '#protocol/failed-disk.ts';
import type { DiskWipe, WipeResult } from '#protocol/wipe.ts';
import type { Logger } from '#system/log.ts';
import { findDisks } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import type { Eraser } from '../wipe/eraser.ts';
import { findEraser } from '../wipe/eraser-choice.ts';
import { judgeSamples, readSamples, SAMPLE_BYTES, sampleOffsets } from '../wipe/sample.ts';
import { WipeMeter } from '../wipe/wipe-meter.ts';
import { onEachDisk } from './each-disk.ts';

export interface WipeOptions {
  readonly machine: { readonly log: Pick<Logger, 'warn'>; readInventory(): Promise<Inventory> };
  readonly signal: AbortSignal;
  readonly onProgress: ConstructorParameters<typeof WipeMeter>[2];
}

/**
 * Step check: nothing is written. Step wipe: may be repeated; before every disk was checked nothing is written. Throws DISK_CHANGED,
 * DISK_AMBIGUOUS, DISK_IN_USE, DISK_READ_ONLY, WIPE_IMPOSSIBLE, DISK_FROZEN, PROGRAM_MISSING, PROGRAM_FAILED, AbortError; of the only disk
 * WIPE_NOT_CLEAN, DISK_WRITE_FAILED, of several DISKS_FAILED when none is wiped.
 */
export async function runWipe(order: WipeOrder, o: WipeOptions): Promise<WipeResult | undefined> {
  const inventory = await o.machine.readInventory();
  const disks = findDisks(inventory.disks, [order.disk, ...(order.moreDisks ?? [])]);
  const erasers: Eraser[] = [];
  const warnings: string[] = [];
  for (const disk of disks) {
    await requireUnused(disk, 'write');
    const eraser = await findEraser(disk, order.method);
    erasers.push(eraser);
    const name = disks.length === 1 ? '' : `${disk.path} ${describeDisk(disk)}: `;
    if (eraser.warning !== undefined) warnings.push(`${name}${eraser.warning}`);
  }
  const meter = new WipeMeter(disks, warnings, o.onProgress);
  if (warnings.length > 0) meter.checked();
  if (order.step === 'check') return undefined;
  const { signal, machine } = o;
  const results = await onEachDisk(disks, { signal, log: machine.log, warnings }, (disk, i) =>
    wipeDisk(disk, erasers[i]!, {
      signal,
      onErased: (bytes) => meter.erased(i, bytes),
      onSampled: (bytes) => meter.sampled(i, bytes),
    }),
  );
  return sumUp(results);
}

interface DiskOptions {
  readonly signal: AbortSignal;
  onErased(bytes: number): void;
  onSampled(bytes: number): void;
}

async function wipeDisk(disk: Disk, eraser: Eraser, { signal, onErased, onSampled }: DiskOptions): Promise<DiskWipe> {
  const { method, how, warning } = eraser;
  const offsets = sampleOffsets(disk.sizeBytes, Math.random);
  const before = await readSamples(disk, offsets);
  await eraser.erase({ signal, onErased });
  const after = await readSamples(disk, offsets);
  onSampled(offsets.length * SAMPLE_BYTES);
  const { empty, bad } = judgeSamples(method, before, after);
  if (bad.length > 0) {
    const values = { disk: `${disk.path} ${describeDisk(disk)}`, method: how, count: bad.length };
    throw knownError('WIPE_NOT_CLEAN', { ...values, offset: offsets[bad[0]!]! });
  }
  return {
    ...{ disk: { ...disk, content: '' }, method, how },
    ...(warning === undefined ? {} : { warning }),
    ...{ sampledBlocks: offsets.length, sampleBytes: SAMPLE_BYTES, emptyBlocks: empty },
  };
}

/** At least one is wiped. Pure. */
function sumUp(results: readonly (DiskWipe | FailedDisk)[]): WipeResult {
  const wiped = results.filter((one): one is DiskWipe => !hasFailed(one));
  const [first] = wiped;
  if (results.length === 1) return first!;
  const sumOf = (key: 'sampledBlocks' | 'emptyBlocks') => wiped.reduce((sum, one) => sum + one[key], 0);
  const sums = { sampledBlocks: sumOf('sampledBlocks'), emptyBlocks: sumOf('emptyBlocks') };
  return { ...first!, ...sums, disks: [...results] };
}
