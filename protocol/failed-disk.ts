/** One of several disks of a task with which something went wrong, while the others went on. */
import { type Static, Type } from 'typebox';
import { diskSchema } from './disk.ts';
import { errorBodySchema } from './error-body.ts';

export const failedDiskSchema = Type.Object({ disk: diskSchema, error: errorBodySchema });
export type FailedDisk = Static<typeof failedDiskSchema>;

export function hasFailed(one: { readonly disk: FailedDisk['disk'] } | FailedDisk): one is FailedDisk {
  return 'error' in one && one.error !== undefined;
}
