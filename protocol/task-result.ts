/** What a task says that it did when it ends: a deployment, disk by disk, and a capture. (Of an audit: drift.ts; of a wipe: wipe.ts.) */
import { type Static, Type } from 'typebox';
import { activationSchema } from './activation.ts';
import { diskSchema } from './disk.ts';
import { errorBodySchema } from './error-body.ts';
import { finisherResultSchema } from './finisher.ts';
import { fitChangeSchema } from './fit.ts';

const diskResultSchema = Type.Object({
  disk: diskSchema,
  castBytes: Type.Integer(),
  httpBytes: Type.Integer(),
  /** What was right on the disk before, found by hashing it, and was left alone. */
  keptBytes: Type.Optional(Type.Integer()),
  /** Chunks that belong on it; absent: the whole image. */
  ownChunks: Type.Optional(Type.Integer()),
  /** Chunks that were read from the disk and found right after they were last written. */
  verifiedChunks: Type.Integer(),
  /** How fast the disk was read, by hashing or verifying. */
  readBytesPerSecond: Type.Optional(Type.Integer()),
  /** Volumes that were moved or made larger after they were verified; absent: all is as on the source. */
  fitted: Type.Optional(
    Type.Array(
      Type.Object({
        ...fitChangeSchema.properties,
        /** What the filesystem's own checker said after it was grown; absent: it was not grown. */
        check: Type.Optional(Type.Literal('clean')),
      }),
    ),
  ),
  /** What came of activating its containers; absent: it has none, or nothing was to be checked. */
  containers: Type.Optional(Type.Array(activationSchema)),
  /** In the order in which they ran. */
  finishers: Type.Optional(Type.Array(finisherResultSchema)),
  /** Why this disk has no whole image; the task has failed then. */
  error: Type.Optional(errorBodySchema),
});
/** What became of one of several disks. */
export type DiskResult = Static<typeof diskResultSchema>;

/**
 * What a finished deploy task did, for the receipt. Bytes are plain bytes laid on disk unless said. Of several disks: the first one's,
 * but bytes in all, and verified chunks: the fewest where each has the image, all where each has a part of it.
 */
export const deployResultSchema = Type.Object({
  ...Type.Omit(diskResultSchema, ['error', 'ownChunks']).properties,
  chunks: Type.Integer(),
  /** Every disk of a task with twins. */
  disks: Type.Optional(Type.Array(diskResultSchema)),
});
export type DeployResult = Static<typeof deployResultSchema>;

/** What a capture did. */
export const captureResultSchema = Type.Object({
  manifestId: Type.String(),
  /** The version that holds the disk, and whether this capture made it; unchanged disks make none. */
  version: Type.Integer(),
  isNew: Type.Boolean(),
  usedBytes: Type.Integer(),
  chunks: Type.Integer(),
  uploadedChunks: Type.Integer(),
  /** Stored bytes that travelled. */
  uploadedBytes: Type.Integer(),
  /** Used bytes that the disk could not read: zeros in the image. Absent: none. */
  lostBytes: Type.Optional(Type.Integer()),
  /** What the admin should know: a filesystem taken raw, a hibernated swap … */
  warnings: Type.Array(Type.String()),
});
export type CaptureResult = Static<typeof captureResultSchema>;
