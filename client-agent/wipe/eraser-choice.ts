/** The ways to erase a disk, and which of them it can. */
import { stat } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Disk } from '#protocol/disk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { WipeMethod } from '#protocol/wipe.ts';
import { run } from '#system/run.ts';
import { allocateAligned, DirectFile } from '../disk/direct-file.ts';
import { ataEraser } from './ata-erase.ts';
import { type EraseRun, type Eraser, impossible } from './eraser.ts';
import { nvmeEraser } from './nvme-format.ts';

const WRITE_BYTES = 4 * 1024 * 1024;
/** A piece after which progress is told and the admin can stop it. */
const PIECE_BYTES: Readonly<Record<'discard' | 'zeros', number>> = { discard: 16 * 1024 ** 3, zeros: 1024 ** 3 };
/** A hard disk zeroes 100 MB/s; much slower than that it is broken. */
const PIECE_LIMIT_MS = 600_000;

/** Nothing is written. Throws WIPE_IMPOSSIBLE, DISK_FROZEN, PROGRAM_MISSING, PROGRAM_FAILED. */
export async function findEraser(disk: Disk, method: WipeMethod): Promise<Eraser> {
  const isFile = (await stat(disk.path)).isFile();
  if (method === 'discard') return isFile ? punchEraser(disk) : await discardEraser(disk);
  if (method === 'zeros') return isFile ? writeEraser(disk) : zeroEraser(disk);
  try {
    return await selfEraser(disk, isFile);
  } catch (error) {
    if (method === 'secure-erase' || !(error instanceof KnownError)) throw error;
    const warning = warningOf(error);
    const eraser = isFile ? writeEraser(disk) : zeroEraser(disk);
    return warning === undefined ? eraser : { ...eraser, warning };
  }
}

/** What to tell of a disk that did not erase itself; undefined: it cannot, which is no news. Pure. */
export function warningOf(error: KnownError): string | undefined {
  if (error.code === 'WIPE_IMPOSSIBLE') return undefined;
  return `it was asked to erase itself and gets zeros instead, which leave its reserve blocks: ${error.message.replace('{host}: ', '')}. ${error.next}`;
}

async function selfEraser(disk: Disk, isFile: boolean): Promise<Eraser> {
  if (isFile) throw impossible(disk, 'it is a file, which has no erase command');
  if (/^\/dev\/nvme\d+n\d+$/.test(disk.path)) return nvmeEraser(disk);
  if (disk.transport === 'sata' || disk.transport === 'ata') return ataEraser(disk);
  throw impossible(disk, `disks on ${disk.transport || 'an unknown transport'} are not asked for it`);
}

/** blkdiscard(8): without --force it takes the disk exclusively, so that a mounted one is refused by the kernel. */
export function blkdiscardArgv(path: string, mode: 'discard' | 'zeros', offset: number, length: number): string[] {
  const span = ['--offset', String(offset), '--length', String(length)];
  return ['blkdiscard', ...(mode === 'zeros' ? ['--zeroout'] : []), ...span, path];
}

async function discardEraser(disk: Disk): Promise<Eraser> {
  // lsblk(8): DISC-MAX is 0 where the device takes no discard.
  const { stdout } = await run(['lsblk', '--noheadings', '--nodeps', '--bytes', '--output', 'DISC-MAX', disk.path]);
  if (!(Number(stdout.trim()) > 0)) throw impossible(disk, 'it takes no discard (TRIM)');
  return { method: 'discard', how: 'blkdiscard', erase: (o) => inPieces(disk, 'discard', o) };
}

function zeroEraser(disk: Disk): Eraser {
  return { method: 'zeros', how: 'blkdiscard --zeroout', erase: (o) => inPieces(disk, 'zeros', o) };
}

async function inPieces(disk: Disk, mode: 'discard' | 'zeros', { signal, onErased }: EraseRun): Promise<void> {
  for (let offset = 0; offset < disk.sizeBytes; ) {
    const length = Math.min(PIECE_BYTES[mode], disk.sizeBytes - offset);
    await run(blkdiscardArgv(disk.path, mode, offset, length), { limitMs: PIECE_LIMIT_MS, signal });
    offset += length;
    onErased(offset);
  }
}

/** A file that stands for a disk. */
function punchEraser({ path, sizeBytes }: Disk): Eraser {
  const argv = ['fallocate', '--punch-hole', '--offset', '0', '--length', String(sizeBytes), path];
  const erase = async ({ signal, onErased }: EraseRun) => {
    await run(argv, { signal });
    onErased(sizeBytes);
  };
  return { method: 'discard', how: 'fallocate --punch-hole', erase };
}

function writeEraser({ path, sizeBytes }: Disk): Eraser {
  const erase = async ({ signal, onErased }: EraseRun) => {
    const file = DirectFile.open(path, 'write');
    const zeros = allocateAligned(WRITE_BYTES);
    try {
      for (let offset = 0; offset < sizeBytes; ) {
        signal.throwIfAborted();
        const length = Math.min(WRITE_BYTES, sizeBytes - offset);
        file.writeAt(zeros, offset, length);
        offset += length;
        onErased(offset);
        // The heartbeats of the same thread.
        await breathe();
      }
      file.sync();
    } finally {
      file.close();
    }
  };
  return { method: 'zeros', how: 'zeros were written', erase };
}
