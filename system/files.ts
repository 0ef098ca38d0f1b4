/** Files that are either wholly there or not there. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file so that after a power cut it holds the old or the new content: temp file, fsync, rename, fsync of the folder.
 * `beforeRename` is called when nothing but the rename is left; when it throws, the old content stays.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o640,
  beforeRename: () => void = () => {},
): Promise<void> {
  const temporary = `${path}.tmp-${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
    beforeRename();
    await publishFile(file, temporary, path);
  } catch (error) {
    // A handle that is left to the garbage collector ends the process; closing it twice does nothing.
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Flushes an open temporary file, closes it and gives it its final name for good. */
export async function publishFile(file: FileHandle, temporary: string, path: string): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes renames and removals in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
