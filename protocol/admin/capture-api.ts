/**
 * Of the admin API: capturing a disk.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /sessions/capture | CaptureRequest → SessionView |
 */
import { type Static, Type } from 'typebox';
import { onDoneSchema, onFailureSchema } from './afterwards.ts';
import { nameSchema } from './name.ts';

export const captureRequestSchema = Type.Object({
  host: Type.String(),
  image: nameSchema,
  disk: Type.Optional(Type.String()),
  chunkBytes: Type.Optional(Type.Integer()),
  zstdLevel: Type.Optional(Type.Integer({ minimum: 1, maximum: 19 })),
  /** Read on over bad sectors; what is lost is zeros in the image, which says so. */
  rescue: Type.Optional(Type.Boolean()),
  onDone: onDoneSchema,
  onFailure: Type.Optional(onFailureSchema),
});
export type CaptureRequest = Static<typeof captureRequestSchema>;
