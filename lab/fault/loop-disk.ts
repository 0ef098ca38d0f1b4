/**
 * The disk of a light host as a block device: a loop device over its disk file, opened for direct I/O. So the kernel itself
 * answers EIO where the file below cannot give or take the bytes: a read behind the end of a file that was cut short, a write
 * that finds the filesystem below full. Loop devices and mounts go with the lab (lab/leftovers.ts).
 */
import { closeSync, mkdirSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import type { Lab } from '../lab.ts';
import type { LabHost } from '../topology.ts';

export class LoopDisk {
  /** The file below. */
  readonly filePath: string;
  readonly device: string;
  readonly #bytes: number;

  private constructor(filePath: string, device: string, bytes: number) {
    this.filePath = filePath;
    this.device = device;
    this.#bytes = bytes;
  }

  /** The host must boot afterwards to see it. `roomBytes`: the disk looks as large as ever, but takes no more than this. */
  static async give(lab: Lab, host: LabHost, options: { roomBytes?: number } = {}): Promise<LoopDisk> {
    const bytes = statSync(lab.diskOf(host)).size;
    const filePath =
      options.roomBytes === undefined ? lab.diskOf(host) : await makeRoom(lab, host, bytes, options.roomBytes);
    const argv = ['losetup', '--find', '--show', '--direct-io=on', filePath];
    const device = (await run(argv)).stdout.trim();
    const hardwarePath = join(lab.folder.path, 'hardware', `${host.name}.json`);
    const hardware = JSON.parse(readFileSync(hardwarePath, 'utf8')) as { disks: { path: string }[] };
    hardware.disks[0]!.path = device;
    writeFileSync(hardwarePath, JSON.stringify(hardware, null, 2));
    return new LoopDisk(filePath, device, bytes);
  }

  /** From here on the disk answers EIO to every read, until it is written again. */
  loseReads(): void {
    truncateSync(this.filePath, 0);
  }

  /** The disk forgets what was written from `startBytes` on: it reads as zeros. */
  forget(startBytes: number): void {
    truncateSync(this.filePath, startBytes);
    truncateSync(this.filePath, this.#bytes);
  }
}

/** A file of `bytes` on a filesystem in memory that has room for `roomBytes` only. */
async function makeRoom(lab: Lab, host: LabHost, bytes: number, roomBytes: number): Promise<string> {
  const room = join(lab.folder.path, `room-${host.name}`);
  mkdirSync(room);
  await run(['mount', '-t', 'tmpfs', '-o', `size=${roomBytes}`, `${host.namespace}`, room]);
  const path = join(room, 'disk.img');
  closeSync(openSync(path, 'w'));
  truncateSync(path, bytes);
  return path;
}
