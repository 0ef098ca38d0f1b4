/** Folders that a program makes for itself, and what is said when that cannot be. */
import { access, constants, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { knownError } from '#protocol/errors.ts';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'its filesystem is read-only',
  ENOTDIR: 'a file is in the way',
  EEXIST: 'a file is in the way',
  ENOSPC: 'its disk is full',
  EDQUOT: 'the quota of this user is used up',
};

/**
 * Makes the folder and those above it, unless they are there; files can be made in it then. `setting` is how another folder
 * is named. May be repeated. Throws FOLDER_UNUSABLE.
 */
export async function makeFolder(path: string, setting: string, mode = 0o750): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // On a read-only filesystem Node says that the folder above is missing.
    const known = code === 'ENOENT' ? await whyNotAbove(path) : code;
    throw knownError('FOLDER_UNUSABLE', { path, reason: reasons[known] ?? known, setting }, { cause: error });
  }
}

/** The code that says why nothing can be made in the nearest folder that exists. */
async function whyNotAbove(path: string): Promise<string> {
  try {
    await access(path, constants.W_OK);
    return 'ENOENT';
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' && dirname(path) !== path ? whyNotAbove(dirname(path)) : code;
  }
}
