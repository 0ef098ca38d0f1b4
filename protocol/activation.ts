/** What became of the containers of a disk that was just laid: each is activated for a moment, and what lies in it checked. docs/decisions/0014-activation.md */
import { type Static, Type } from 'typebox';
import { withinSchema } from './manifest.ts';

const checkedVolumeSchema = Type.Object({
  /** `group/volume`; absent: the container holds but one. */
  name: Type.Optional(Type.String()),
  filesystem: Type.String(),
  /** What the filesystem's own checker said; absent: it was not checked, and `why`. */
  check: Type.Optional(Type.Literal('clean')),
  why: Type.Optional(Type.String()),
});
export type CheckedVolume = Static<typeof checkedVolumeSchema>;

export const activationSchema = Type.Object({
  /** lvm: a group · md: one half of a mirror · luks: a container that is encrypted. */
  kind: withinSchema.properties.kind,
  /** The group; absent: its partition tells it from the others. */
  name: Type.Optional(Type.String()),
  /** In which partition it lies, the first one of a group; absent: a disk without a table. */
  partition: Type.Optional(Type.Integer()),
  /** Why it was not activated; absent: it was. */
  whyNot: Type.Optional(Type.String()),
  /** Those in which a filesystem lies. */
  volumes: Type.Array(checkedVolumeSchema),
});
export type Activation = Static<typeof activationSchema>;
