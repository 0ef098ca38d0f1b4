/**
 * Of the admin API: images and the store.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /images · /images/IMAGE | → ImageView[] · ImageView. IMAGE is NAME or NAME@VERSION |
 * | POST   /images/IMAGE/rename | { name } → ImageView |
 * | DELETE /images/IMAGE | → 204. NAME@VERSION removes one version |
 * | POST   /images/IMAGE/verify · /store/verify | → lines of JSON: VerifyLine. Reads every chunk |
 * | POST   /images/IMAGE/fit | { toBytes or disks, name?, dryRun? } → lines of JSON: FitLine. Makes a smaller image of it |
 * | POST   /store/prune | { dryRun } → PruneAnswer |
 */
import { type Static, Type } from 'typebox';
import { errorBodySchema } from '../error-body.ts';
import { fitChangeSchema } from '../fit.ts';
import { layoutSchema } from '../layout.ts';
import { volumeHeadSchema } from '../manifest.ts';
import { chosenSchema } from './chosen.ts';
import { nameSchema } from './name.ts';
import { timeMs } from './time.ts';

export const versionViewSchema = Type.Object({
  version: Type.Integer(),
  manifestId: Type.String(),
  parent: Type.Optional(Type.Integer()),
  createdAtMs: timeMs,
  sourceHost: Type.String(),
  diskBytes: Type.Integer(),
  usedBytes: Type.Integer(),
  chunks: Type.Integer(),
  /** Stored bytes of all its chunks. */
  storedBytes: Type.Integer(),
  /** Stored bytes that this capture added to the store. */
  addedBytes: Type.Integer(),
  warnings: Type.Array(Type.String()),
  /** NAME@VERSION of the image that was made smaller to make this one. */
  fittedFrom: Type.Optional(Type.String()),
});
export type VersionView = Static<typeof versionViewSchema>;

export const imageViewSchema = Type.Object({
  name: nameSchema,
  /** Newest first. */
  versions: Type.Array(versionViewSchema),
  /** What it chooses is in the view of one image, too. */
  ...chosenSchema.properties,
  /** Of the newest (or the named) version; only in the view of one image. */
  layout: Type.Optional(layoutSchema),
  /** Of an image of several disks: layouts of the others. */
  moreDisks: Type.Optional(Type.Array(layoutSchema)),
  volumes: Type.Optional(
    Type.Array(Type.Object({ ...volumeHeadSchema.properties, usedBytes: Type.Integer(), chunks: Type.Integer() })),
  ),
});
export type ImageView = Static<typeof imageViewSchema>;

export const verifyLineSchema = Type.Object({
  checkedChunks: Type.Integer(),
  totalChunks: Type.Integer(),
  checkedBytes: Type.Integer(),
  /** Damaged or missing chunks found so far: at most the first 100, as `ID: problem`. */
  bad: Type.Array(Type.String()),
  badCount: Type.Integer(),
  done: Type.Boolean(),
});
export type VerifyLine = Static<typeof verifyLineSchema>;

export const fitImageSchema = Type.Object({
  /** Size of the disk that it is to fit, in bytes; of an image of several disks that of the only one that does not fit. */
  toBytes: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Instead: of an image of several disks each that is to fit, counted from 0, and what; the others stay as they are. */
  disks: Type.Optional(
    Type.Array(Type.Object({ disk: Type.Integer({ minimum: 0 }), toBytes: Type.Integer({ minimum: 1 }) }), {
      minItems: 1,
    }),
  ),
  /** Name of the image that is made; absent: NAME-100G. */
  name: Type.Optional(Type.String()),
  /** Say what would become smaller, and change nothing. */
  dryRun: Type.Optional(Type.Boolean()),
});

export type FitImageRequest = Static<typeof fitImageSchema>;

/** `disk`: of an image of several, counted from 0. */
const fittedChangeSchema = Type.Object({ ...fitChangeSchema.properties, disk: Type.Optional(Type.Integer()) });
export type FittedChange = Static<typeof fittedChangeSchema>;

/** How far the making of a fitted image is; the last line is `done` or has the error. */
export const fitLineSchema = Type.Object({
  /** restore: volumes are copied out of the store · fit: filesystems become smaller · store: what is new goes into the store. */
  phase: Type.Union([Type.Literal('restore'), Type.Literal('fit'), Type.Literal('store')]),
  /** The volume that is worked on; `disk` of an image of several, counted from 0, absent: the first. */
  disk: Type.Optional(Type.Integer()),
  partition: Type.Optional(Type.Integer()),
  /** A logical volume of it. */
  volume: Type.Optional(Type.String()),
  doneBytes: Type.Integer(),
  totalBytes: Type.Integer(),
  /** With `dryRun` only, in the one line that comes then; `totalBytes` would be copied out of the store. */
  planned: Type.Optional(Type.Object({ image: nameSchema, changes: Type.Array(fittedChangeSchema) })),
  done: Type.Optional(
    Type.Object({
      image: nameSchema,
      version: Type.Integer(),
      manifestId: Type.String(),
      isNew: Type.Boolean(),
      addedBytes: Type.Integer(),
      changes: Type.Array(fittedChangeSchema),
    }),
  ),
  error: Type.Optional(errorBodySchema),
});
export type FitLine = Static<typeof fitLineSchema>;

export const pruneAnswerSchema = Type.Object({
  dryRun: Type.Boolean(),
  removedChunks: Type.Integer(),
  removedPacks: Type.Integer(),
  rewrittenPacks: Type.Integer(),
  freedBytes: Type.Integer(),
});
export type PruneAnswer = Static<typeof pruneAnswerSchema>;
