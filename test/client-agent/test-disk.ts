/** Disks for tests: plain files with a partition table. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { type CaptureLink, runCapture } from '#agent/orders/capture.ts';
import type { Progress } from '#protocol/agent-api.ts';
import { type Disk, identityOf } from '#protocol/disk.ts';
import type { CaptureResult } from '#protocol/task-result.ts';
import { sampleDisk } from './disk/sample-disk.ts';

export function diskOf(path: string, sectorBytes = 512): Disk {
  return { ...sampleDisk, path, sizeBytes: statSync(path).size, sectorBytes };
}

/** Writes the bytes of the file `content` into the disk at `offset`. */
export function writeInto(path: string, offset: number, content: string | Buffer): void {
  const bytes = typeof content === 'string' ? readFileSync(content) : content;
  const file = openSync(path, 'r+');
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
  closeSync(file);
}

/** Of several disks: one image of all of them. */
export function capture(
  disk: Disk | readonly Disk[],
  link: unknown,
  o: { chunkBytes?: number; rescue?: boolean; signal?: AbortSignal; onProgress?(p: Progress): void } = {},
): Promise<CaptureResult> {
  const disks = [disk].flat();
  const [first] = disks;
  const order = {
    kind: 'capture' as const,
    rev: 'r1',
    taskId: 1,
    sessionId: 1,
    disk: identityOf(first!),
    chunkBytes: o.chunkBytes ?? 256 * 1024,
    zstdLevel: 3,
    ...(o.rescue === true ? { rescue: true } : {}),
  };
  return runCapture(order, {
    disks,
    link: link as CaptureLink,
    signal: o.signal ?? new AbortController().signal,
    onProgress: o.onProgress ?? (() => {}),
  });
}
