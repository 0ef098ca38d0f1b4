/**
 * Of the admin API: what the doctor is asked, and the findings that come back.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /doctor | DoctorRequest → lines of JSON: DoctorLine. Writes to no disk |
 */
import { type Static, Type } from 'typebox';
import { onDoneSchema } from './afterwards.ts';

/** ok · note: worth knowing, nothing to do now · attention: something is to be done · unchecked: nobody could look. */
export const findingLevels = ['ok', 'note', 'attention', 'unchecked'] as const;
export type FindingLevel = (typeof findingLevels)[number];

export const findingSchema = Type.Object({
  /** Absent: it is about the server. */
  host: Type.Optional(Type.String()),
  /** What was looked at, a word. */
  check: Type.String(),
  level: Type.Enum([...findingLevels]),
  /** One sentence with its values. */
  text: Type.String(),
  /** The command or setting that helps. */
  next: Type.Optional(Type.String()),
});
export type Finding = Static<typeof findingSchema>;

export const doctorRequestSchema = Type.Object({
  hosts: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  /** Hosts that sleep are woken, and do `onDone` afterwards. */
  wake: Type.Boolean(),
  onDone: onDoneSchema,
});
export type DoctorRequest = Static<typeof doctorRequestSchema>;

/** A line of the answer; the last one is `done`. */
export const doctorLineSchema = Type.Object({
  /** What goes on. */
  doing: Type.Optional(Type.String()),
  finding: Type.Optional(findingSchema),
  done: Type.Optional(Type.Literal(true)),
});
export type DoctorLine = Static<typeof doctorLineSchema>;
