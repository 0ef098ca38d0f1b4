/** A twin: a further disk of a host, in the same task and from the same stream. It takes the same image, or its own part of an image of several disks. */
import { type Static, Type } from 'typebox';
import { type DiskIdentity, diskIdentitySchema } from './disk.ts';
import { fitSchema } from './fit.ts';

export const twinSchema = Type.Object({
  disk: diskIdentitySchema,
  /** Which disk of an image of several goes there, counted from 0; absent: the image has one. */
  source: Type.Optional(Type.Integer({ minimum: 1 })),
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
