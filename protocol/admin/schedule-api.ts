/**
 * Of the admin API: schedules, when a deployment begins by itself, and what became of each run. docs/schedules.md has the rules.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /plans/schedule | NewSchedule → SchedulePreview. Changes nothing |
 * | GET    /schedules · /schedules/NAME | → ScheduleView[] · ScheduleView |
 * | POST   /schedules | NewSchedule → ScheduleView |
 * | GET    /schedules/NAME/runs?limit= | → ScheduleRun[], newest first |
 * | POST   /schedules/NAME/run | → ScheduleRun: begins now |
 * | POST   /schedules/NAME/pause · /resume | → ScheduleView |
 * | DELETE /schedules/NAME | → 204. With its history |
 */
import { type Static, Type } from 'typebox';
import { errorBodySchema } from '../error-body.ts';
import { deployRequestSchema } from './deploy-api.ts';
import { nameSchema } from './name.ts';
import { deployPlanSchema } from './plan-api.ts';
import { timeMs } from './time.ts';

/** How long hosts that have begun to write may go on after the end of a window, in s, when nothing is said. */
export const DEFAULT_GRACE_S = 3600;

/** What an admin orders: either `cron` or `at`. */
export const newScheduleSchema = Type.Object({
  name: Type.String(),
  /** Five fields: minute, hour, day of month, month, day of week. */
  cron: Type.Optional(Type.String({ maxLength: 200 })),
  /** Once: `2026-11-23 02:00`. */
  at: Type.Optional(Type.String({ maxLength: 20 })),
  /** IANA time zone of `cron`, `at` and `until`; absent: that of the server. */
  tz: Type.Optional(Type.String({ maxLength: 60 })),
  /** `06:00`: end of the window. A run has no end without it. */
  until: Type.Optional(Type.String({ maxLength: 5 })),
  /** Absent: DEFAULT_GRACE_S. */
  graceS: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400 })),
  /** Without a window: a time that passed while the daemon was down is run as soon as it is back. */
  catchUp: Type.Optional(Type.Boolean()),
  /** Name of a program in the hooks folder that says whether a host is idle. */
  ifIdle: Type.Optional(Type.String()),
  deploy: deployRequestSchema,
});
export type NewSchedule = Static<typeof newScheduleSchema>;

/** As it is kept: the time zone is always named. */
export const scheduleSpecSchema = Type.Object({ ...newScheduleSchema.properties, tz: Type.String() });
export type ScheduleSpec = Static<typeof scheduleSpecSchema>;

export const scheduleRunSchema = Type.Object({
  runId: Type.Integer(),
  schedule: nameSchema,
  state: Type.Enum(['starting', 'running', 'ended', 'skipped', 'missed']),
  /** time: by the timetable · late: after its time, the daemon was down · by-hand: `schedule run`. */
  kind: Type.Enum(['time', 'late', 'by-hand']),
  /** It takes only the hosts that the window left over in the run before. */
  isRest: Type.Boolean(),
  /** The time it belongs to. */
  dueMs: timeMs,
  /** End of the window. */
  untilMs: Type.Optional(timeMs),
  /** From then on no further host begins to write: end of the window less the expected time. */
  lastCallMs: Type.Optional(timeMs),
  startedMs: Type.Optional(timeMs),
  endedMs: Type.Optional(timeMs),
  sessionId: Type.Optional(Type.Integer()),
  version: Type.Optional(Type.Integer()),
  manifestId: Type.Optional(Type.String()),
  succeeded: Type.Integer(),
  failed: Type.Integer(),
  /** Hosts that the run did not take, and why. */
  leftOut: Type.Array(Type.Object({ host: Type.String(), reason: Type.String() })),
  /** Hosts that the end of the window cut off. */
  leftOver: Type.Array(Type.Object({ hostId: Type.Integer(), host: Type.String(), hasWritten: Type.Boolean() })),
  /** One sentence for people. */
  text: Type.String(),
  error: Type.Optional(errorBodySchema),
});
export type ScheduleRun = Static<typeof scheduleRunSchema>;

export const scheduleViewSchema = Type.Object({
  ...scheduleSpecSchema.properties,
  /** done: its only time has passed. */
  state: Type.Enum(['active', 'paused', 'done']),
  createdMs: timeMs,
  /** Absent: paused or done. */
  nextMs: Type.Optional(timeMs),
  lastRun: Type.Optional(scheduleRunSchema),
});
export type ScheduleView = Static<typeof scheduleViewSchema>;

/** What a schedule would do, before it is added. */
export const schedulePreviewSchema = Type.Object({
  tz: Type.String(),
  /** Its next times, at most three. */
  times: Type.Array(Type.Object({ dueMs: timeMs, untilMs: Type.Optional(timeMs) })),
  /** The deployment, if it began now. */
  plan: deployPlanSchema,
  /** One sentence each. */
  warnings: Type.Array(Type.String()),
});
export type SchedulePreview = Static<typeof schedulePreviewSchema>;
