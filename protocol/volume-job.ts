/**
 * What the server gives to the program that fits one volume of an image (client-agent/fit-volume.ts), as JSON on its stdin, and
 * what it says when it fails, as the last line of its stderr.
 */
import { type Static, Type } from 'typebox';
import { errorBodySchema } from './error-body.ts';

export const packJobSchema = Type.Object({
  /** Of the physical volume, afterwards. */
  sizeBytes: Type.Integer(),
  /** Logical sectors of the disk that it is for, in bytes. */
  sectorBytes: Type.Integer(),
  /** How many it has afterwards. */
  extents: Type.Integer(),
  /** Where the logical volumes (without their group's name) lie, in one piece each; absent: where they do, only the end is cut off. */
  volumes: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), startExtent: Type.Integer(), extents: Type.Integer() })),
  ),
});
/** How the metadata of a physical volume of LVM changes. */
export type PackJob = Static<typeof packJobSchema>;

export const volumeJobSchema = Type.Object({
  /** Holds the volume, from its first byte; is changed. */
  file: Type.String(),
  filesystem: Type.String(),
  /** Where the volume lay on the disk of its image, and where it lies on the fitted one. */
  fromStartBytes: Type.Integer(),
  startBytes: Type.Integer(),
  fromBytes: Type.Integer(),
  sizeBytes: Type.Integer(),
  chunkBytes: Type.Integer(),
  zstdLevel: Type.Integer(),
  /** File of 32 bytes an id: chunks that need not be sent. */
  knownIds: Type.String(),
  /** The file holds the metadata of a physical volume, which is to be smaller. */
  pack: Type.Optional(packJobSchema),
  /** Where the manifest of the volume, as of a disk without a table, is written. */
  manifest: Type.String(),
});
export type VolumeJob = Static<typeof volumeJobSchema>;

export const volumeFailureSchema = Type.Object({
  error: errorBodySchema,
  /** The volume would have to be so large. */
  leastBytes: Type.Optional(Type.Integer()),
});
export type VolumeFailure = Static<typeof volumeFailureSchema>;
