/**
 * Of the admin API: the audit log.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /events?session=&host=&actor=&after=&follow= | → EventView[]; with follow=1 an SSE stream |
 *
 * The SSE stream sends `event: audit` (data EventView, id = event id; `Last-Event-ID` resumes) and, for a stream of one
 * session, `event: session` (data SessionView) at most twice a second while something changes.
 */
import { type Static, Type } from 'typebox';
import { errorBodySchema } from '../error-body.ts';
import { timeMs } from './time.ts';

export const eventViewSchema = Type.Object({
  eventId: Type.Integer(),
  atMs: timeMs,
  /** host, group, image, session, task, cast, schedule, daemon */
  subject: Type.String(),
  /** A word for programs: state, created, approved, woken, dropped … */
  action: Type.String(),
  sessionId: Type.Optional(Type.Integer()),
  hostId: Type.Optional(Type.Integer()),
  host: Type.Optional(Type.String()),
  /** One sentence for people. */
  text: Type.String(),
  error: Type.Optional(errorBodySchema),
  /** On whose behalf: the user (the one that root states), or `schedule NAME`. Absent: it happened by itself. */
  actor: Type.Optional(Type.String()),
});
export type EventView = Static<typeof eventViewSchema>;
