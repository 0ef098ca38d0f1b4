/**
 * Of the admin API: capturing a disk.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /sessions/capture | CaptureRequest → SessionView |
 */
import { type Static, Type } from 'typebox';
import { luksSecretsSchema } from '../secret.ts';
import { onDoneSchema, onFailureSchema } from './afterwards.ts';

export const captureRequestSchema = Type.Object({
  host: Type.String(),
  image: Type.String(),
  disk: Type.Optional(Type.String()),
  chunkBytes: Type.Optional(Type.Integer()),
  zstdLevel: Type.Optional(Type.Integer({ minimum: 1, maximum: 19 })),
  /** Read on over bad sectors; what is lost is zeros in the image, which says so. */
  rescue: Type.Optional(Type.Boolean()),
  /** What opens the disk's LUKS containers, so that their insides are carried; absent: they are carried as they are. */
  luksSecrets: Type.Optional(luksSecretsSchema),
  onDone: onDoneSchema,
  onFailure: Type.Optional(onFailureSchema),
});
export type CaptureRequest = Static<typeof captureRequestSchema>;
