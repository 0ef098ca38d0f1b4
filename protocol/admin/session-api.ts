/**
 * Of the admin API: sessions. Changing one is in session-change-api.ts, reading it afterwards in receipt-api.ts.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /sessions?limit= · /sessions/ID | → SessionView[] · SessionView |
 * | POST   /sessions/ID/start-now · /sessions/ID/cancel | → SessionView |
 */
import { type Static, Type } from 'typebox';
import { progressSchema } from '../agent-api.ts';
import { diskIdentitySchema } from '../disk.ts';
import { auditResultSchema } from '../drift.ts';
import { errorBodySchema } from '../error-body.ts';
import { finisherResultSchema } from '../finisher.ts';
import { sessionStates, taskStates } from '../states.ts';
import { captureResultSchema, deployResultSchema } from '../task-result.ts';
import { wipeResultSchema } from '../wipe.ts';
import { castModeSchema, deployRequestSchema, startPolicySchema } from './deploy-api.ts';
import { timeMs } from './time.ts';

export const taskViewSchema = Type.Object({
  taskId: Type.Integer(),
  hostId: Type.Integer(),
  host: Type.String(),
  state: Type.Enum([...taskStates]),
  /** Its canary wave, from 1. */
  wave: Type.Optional(Type.Integer()),
  disk: diskIdentitySchema,
  /** Further disks that take the same image. */
  twins: Type.Optional(Type.Array(diskIdentitySchema)),
  /** No report for a while. */
  isLost: Type.Boolean(),
  progress: Type.Optional(progressSchema),
  holes: Type.Optional(Type.Integer()),
  /** It left a cast because it held the others back: plain bytes that came to its disk then, or stored bytes that its cable brought. */
  parkedBytesPerSecond: Type.Optional(Type.Integer()),
  parkedFor: Type.Optional(Type.Union([Type.Literal('disk'), Type.Literal('cable')])),
  /** It has begun to write its disk. */
  hasWritten: Type.Optional(Type.Boolean()),
  error: Type.Optional(errorBodySchema),
  deployResult: Type.Optional(deployResultSchema),
  auditResult: Type.Optional(auditResultSchema),
  captureResult: Type.Optional(captureResultSchema),
  wipeResult: Type.Optional(wipeResultSchema),
  /** Of a task that failed because a finisher did: what each that ran has said, that one last. */
  finisherResults: Type.Optional(Type.Array(finisherResultSchema)),
  startedAtMs: Type.Optional(timeMs),
  endedAtMs: Type.Optional(timeMs),
});
export type TaskView = Static<typeof taskViewSchema>;

/** One pass, running or ended. */
export const castViewSchema = Type.Object({
  castId: Type.String(),
  pass: Type.Integer(),
  receivers: Type.Integer(),
  frames: Type.Integer(),
  /** Bytes of the whole stream, frame headers included. */
  bytes: Type.Integer(),
  sentBytes: Type.Integer(),
  startedAtMs: timeMs,
  /** First and last byte taken by udp-sender; their difference is the time of the cast. */
  firstByteAtMs: Type.Optional(timeMs),
  endedAtMs: Type.Optional(timeMs),
  retransmits: Type.Optional(Type.Integer()),
  outcome: Type.Optional(Type.String()),
});
export type CastView = Static<typeof castViewSchema>;

export const sessionViewSchema = Type.Object({
  sessionId: Type.Integer(),
  kind: Type.Union([Type.Literal('deploy'), Type.Literal('capture'), Type.Literal('wipe')]),
  state: Type.Enum([...sessionStates]),
  /** Empty: a wipe has none. */
  image: Type.String(),
  version: Type.Optional(Type.Integer()),
  manifestId: Type.Optional(Type.String()),
  createdAtMs: timeMs,
  endedAtMs: Type.Optional(timeMs),
  /** It only compares (kind deploy). */
  audit: deployRequestSchema.properties.audit,
  start: Type.Optional(startPolicySchema),
  mode: Type.Optional(castModeSchema),
  maxMbit: Type.Optional(Type.Number()),
  verify: Type.Optional(deployRequestSchema.properties.verify),
  delta: deployRequestSchema.properties.delta,
  onDone: Type.Optional(deployRequestSchema.properties.onDone),
  onFailure: deployRequestSchema.properties.onFailure,
  wakeWave: deployRequestSchema.properties.wakeWave,
  wakeGapS: deployRequestSchema.properties.wakeGapS,
  /** The present canary wave, of so many. */
  wave: Type.Optional(Type.Integer()),
  waveCount: Type.Optional(Type.Integer()),
  stopAtFailures: deployRequestSchema.properties.stopAtFailures,
  succeeded: Type.Integer(),
  failed: Type.Integer(),
  casts: Type.Array(castViewSchema),
  tasks: Type.Array(taskViewSchema),
  error: Type.Optional(errorBodySchema),
});
export type SessionView = Static<typeof sessionViewSchema>;
