/** A twin: a further disk of a host that takes the same image, in the same task and from the same stream (`--disk each`). */
import { type Static, Type } from 'typebox';
import { type DiskIdentity, diskIdentitySchema } from './disk.ts';
import { fitSchema } from './fit.ts';

export const twinSchema = Type.Object({
  disk: diskIdentitySchema,
  /** Where the volumes lie on it; absent: as on the source. */
  fit: Type.Optional(fitSchema),
});
export type Twin = Static<typeof twinSchema>;

/** Every disk that a task is about: its own, then its twins. */
export function disksOf(task: {
  readonly disk: DiskIdentity;
  readonly twins?: readonly { readonly disk: DiskIdentity }[];
}): DiskIdentity[] {
  return [task.disk, ...(task.twins ?? []).map(({ disk }) => disk)];
}
