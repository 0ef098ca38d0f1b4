/** Wiping a disk: how it can be done, and what came of it. */
import { type Static, Type } from 'typebox';
import { diskSchema } from './disk.ts';
import { failedDiskSchema } from './failed-disk.ts';

/**
 * secure-erase: the disk erases itself (NVMe Format, ATA SECURITY ERASE UNIT), where it says it can · zeros: every byte is written ·
 * discard: the disk is told that nothing is needed any more, quick · auto: secure-erase where the disk can, else zeros.
 */
export const wipeMethodSchema = Type.Union([
  Type.Literal('auto'),
  Type.Literal('discard'),
  Type.Literal('zeros'),
  Type.Literal('secure-erase'),
]);
export type WipeMethod = Static<typeof wipeMethodSchema>;

const diskWipeSchema = Type.Object({
  disk: diskSchema,
  method: Type.Union([Type.Literal('discard'), Type.Literal('zeros'), Type.Literal('secure-erase')]),
  /** What was done, for people: `nvme format --ses=1`. */
  how: Type.String(),
  /** What the admin should know: the disk could have erased itself, and why it did not. */
  warning: Type.Optional(Type.String()),
  /** Blocks that were read back around the cache, each of so many bytes: the first, the last, the others at random. */
  sampledBlocks: Type.Integer(),
  sampleBytes: Type.Integer(),
  /** How many of them held nothing but one byte, repeated; the others are not what they were (secure-erase only). */
  emptyBlocks: Type.Integer(),
});
/** Of one disk. */
export type DiskWipe = Static<typeof diskWipeSchema>;

/** Of several disks: what became of the first that was wiped, but blocks in all. */
export const wipeResultSchema = Type.Object({
  ...diskWipeSchema.properties,
  /** Every disk of a task with several, in their order. */
  disks: Type.Optional(Type.Array(Type.Union([diskWipeSchema, failedDiskSchema]))),
});
export type WipeResult = Static<typeof wipeResultSchema>;
