/** How far a disk has drifted from an image: what an audit finds. Nothing is written for it. */
import { type Static, Type } from 'typebox';
import { diskIdentitySchema, diskSchema } from './disk.ts';
import { failedDiskSchema } from './failed-disk.ts';
import { volumeHeadSchema } from './manifest.ts';

const { kind, partition, filesystem } = volumeHeadSchema.properties;
const amounts = {
  chunks: Type.Integer({ minimum: 0 }),
  /** Chunks whose used bytes are others on the disk, or cannot be read. */
  differingChunks: Type.Integer({ minimum: 0 }),
  /** Used bytes of these chunks. */
  bytes: Type.Integer({ minimum: 0 }),
  differingBytes: Type.Integer({ minimum: 0 }),
  /** Bytes in blocks that were all zeros in a volume taken raw, so that no chunk carries them, and are not any more. Absent: none. */
  strayBytes: Type.Optional(Type.Integer({ minimum: 1 })),
};

const diskDrift = {
  /** The partition table is another, or cannot be read. */
  layoutDiffers: Type.Boolean(),
  ...amounts,
  /** Only volumes that carry chunks, or hold what should be zeros. */
  volumes: Type.Array(Type.Object({ kind, partition, filesystem, ...amounts })),
};

const diskDriftSchema = Type.Object({ disk: diskSchema, ...diskDrift });
/** Of one disk of a host. */
export type DiskDrift = Static<typeof diskDriftSchema>;

/** Of several disks: the sums, the first one's name, and the volumes of all. */
export const auditResultSchema = Type.Object({
  disk: diskIdentitySchema,
  ...diskDrift,
  /** Every disk of a task with several, in their order. */
  disks: Type.Optional(Type.Array(Type.Union([diskDriftSchema, failedDiskSchema]))),
});
export type AuditResult = Static<typeof auditResultSchema>;
export type Drift = Omit<AuditResult, 'disk' | 'disks'>;

/** Whether the disk is not what the image says. */
export function isDrifted({
  layoutDiffers,
  differingChunks,
  strayBytes = 0,
}: Pick<Drift, 'layoutDiffers' | 'differingChunks' | 'strayBytes'>): boolean {
  return layoutDiffers || differingChunks > 0 || strayBytes > 0;
}
