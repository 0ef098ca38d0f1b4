/** Tells a full disk from every other failure of a write into the store. */
import { statfs } from 'node:fs/promises';
import { knownError } from '#protocol/errors.ts';

/** Of files, of a quota, and of the database, which lies on the same disk as a rule. */
const FULL_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);

/** With less than this free, an I/O error of SQLite is a full disk. */
const NO_ROOM_BYTES = 1024 * 1024;

/**
 * Left free by what is uploaded, in bytes, and of a small filesystem this share: the database lies on the same disk as a rule, and
 * without room in it a capture that has filled the disk could not even be said to have failed, nor be cancelled.
 */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 1 / 16;

/** Throws STORE_FULL when so many bytes more may not be uploaded into `dir`. */
export async function requireRoom(dir: string, bytes: number): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(dir);
  const freeBytes = bavail * bsize;
  if (freeBytes - bytes >= Math.min(RESERVE_BYTES, blocks * bsize * RESERVE_SHARE)) return;
  throw knownError('STORE_FULL', { path: dir, freeBytes });
}

/** Runs a write below `dir`. Throws STORE_FULL when there is no room (or no quota) for it, else what the write throws. */
export async function writeIntoStore<T>(dir: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const freeBytes = await freeBytesOf(dir);
    // SQLite calls some writes that found no room I/O errors: growing its shared memory, or its log.
    const isFull = FULL_CODES.has(code) || (code.startsWith('SQLITE_IOERR') && freeBytes < NO_ROOM_BYTES);
    if (!isFull) throw error;
    throw knownError('STORE_FULL', { path: dir, freeBytes }, { cause: error });
  }
}

/** Bytes that this process may still write on the filesystem of `dir`. */
export async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
