/** How far a disk has drifted from an image: what an audit finds. Nothing is written for it. */
import { type Static, Type } from 'typebox';
import { diskIdentitySchema } from './disk.ts';
import { volumeHeadSchema } from './manifest.ts';

const { kind, partition, filesystem } = volumeHeadSchema.properties;
const amounts = {
  chunks: Type.Integer({ minimum: 0 }),
  /** Chunks whose used bytes are others on the disk, or cannot be read. */
  differingChunks: Type.Integer({ minimum: 0 }),
  /** Used bytes of these chunks. */
  bytes: Type.Integer({ minimum: 0 }),
  differingBytes: Type.Integer({ minimum: 0 }),
};

export const auditResultSchema = Type.Object({
  disk: diskIdentitySchema,
  /** The partition table is another, or cannot be read. */
  layoutDiffers: Type.Boolean(),
  ...amounts,
  /** Only volumes that carry chunks. */
  volumes: Type.Array(Type.Object({ kind, partition, filesystem, ...amounts })),
});
export type AuditResult = Static<typeof auditResultSchema>;

export function isDrifted({ layoutDiffers, differingChunks }: AuditResult): boolean {
  return layoutDiffers || differingChunks > 0;
}
