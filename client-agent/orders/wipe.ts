/** The wipe of one disk: check that it is the one of the plan and what it can, then erase it, then read back samples around the cache. */
import type { Inventory, Progress, WipeOrder } from '#protocol/agent-api.ts';
import { describeDisk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { WipeResult } from '#protocol/wipe.ts';
import { findDisk } from '../disk/disk-finder.ts';
import { requireUnused } from '../disk/disk-use.ts';
import { findEraser } from '../wipe/eraser-choice.ts';
import { judgeSamples, readSamples, SAMPLE_BYTES, sampleOffsets } from '../wipe/sample.ts';

export interface WipeOptions {
  readonly machine: { readInventory(): Promise<Inventory> };
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/**
 * Step check: nothing is written. Step wipe: may be repeated. Throws DISK_CHANGED, DISK_AMBIGUOUS, DISK_IN_USE, DISK_READ_ONLY,
 * WIPE_IMPOSSIBLE, DISK_FROZEN, WIPE_NOT_CLEAN, DISK_WRITE_FAILED, PROGRAM_MISSING, PROGRAM_FAILED, AbortError.
 */
export async function runWipe(order: WipeOrder, o: WipeOptions): Promise<WipeResult | undefined> {
  const { disks } = await o.machine.readInventory();
  const disk = findDisk(disks, order.disk);
  await requireUnused(disk, 'write');
  const eraser = await findEraser(disk, order.method);
  const { warning } = eraser;
  const tell = tellerOf(o.onProgress, warning);
  if (warning !== undefined) tell('check', 0, disk.sizeBytes);
  if (order.step === 'check') return undefined;
  const offsets = sampleOffsets(disk.sizeBytes, Math.random);
  const before = await readSamples(disk, offsets);
  await eraser.erase({ signal: o.signal, onErased: (bytes) => tell('wipe', bytes, disk.sizeBytes) });
  const after = await readSamples(disk, offsets);
  tell('sample', offsets.length * SAMPLE_BYTES, offsets.length * SAMPLE_BYTES);
  const { empty, bad } = judgeSamples(eraser.method, before, after);
  if (bad.length > 0) {
    const values = { disk: `${disk.path} ${describeDisk(disk)}`, method: eraser.how, count: bad.length };
    throw knownError('WIPE_NOT_CLEAN', { ...values, offset: offsets[bad[0]!]! });
  }
  return {
    ...{ disk: { ...disk, content: '' }, method: eraser.method, how: eraser.how },
    ...(warning === undefined ? {} : { warning }),
    ...{ sampledBlocks: offsets.length, sampleBytes: SAMPLE_BYTES, emptyBlocks: empty },
  };
}

function tellerOf(onProgress: WipeOptions['onProgress'], warning: string | undefined) {
  const startedMs = performance.now();
  return (phase: string, doneBytes: number, totalBytes: number) => {
    const seconds = (performance.now() - startedMs) / 1000;
    onProgress({
      phase,
      doneBytes,
      totalBytes,
      bytesPerSecond: seconds > 0 ? Math.round(doneBytes / seconds) : 0,
      ...(warning === undefined ? {} : { warnings: [warning] }),
    });
  };
}
