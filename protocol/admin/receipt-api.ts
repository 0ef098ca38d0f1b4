/**
 * Of the admin API: receipts, what a session did to each host, for the morning after and for the record.
 *
 * | call | answer |
 * |---|---|
 * | GET /sessions/ID/report | SessionReport |
 * | GET /hosts/HOST/history?limit= | Receipt[], newest first |
 */
import { type Static, Type } from 'typebox';
import { finisherResultSchema } from '../finisher.ts';
import { deployResultSchema } from '../task-result.ts';
import { castViewSchema, sessionViewSchema, taskViewSchema } from './session-api.ts';
import { timeMs } from './time.ts';

const atMs = Type.Optional(timeMs);
const bytes = Type.Optional(Type.Integer({ minimum: 0 }));
const count = Type.Integer({ minimum: 0 });
const { sessionId, kind, image, version, manifestId, verify } = sessionViewSchema.properties;
const { taskId, hostId, host, state, wave, disk, twins, error } = taskViewSchema.properties;

export const receiptSchema = Type.Object({
  ...{ sessionId, kind, image, version, manifestId, verify },
  ...{ taskId, hostId, host, state, wave, disk, twins, error },
  /** What became of each disk, when there are several. */
  disks: deployResultSchema.properties.disks,
  /** It only compared, and what it found. */
  audit: sessionViewSchema.properties.audit,
  drift: taskViewSchema.properties.auditResult,
  /** How it was wiped, and what was read back. */
  wiped: taskViewSchema.properties.wipeResult,
  /** Where the disk was found. */
  diskPath: Type.Optional(Type.String()),
  /** How often the host has been tried in this session, this one included. */
  attempt: Type.Integer({ minimum: 1 }),
  /** Its agent was there · it could have begun · it had every chunk · every chunk was read back · its task ended. */
  startedAtMs: atMs,
  readyAtMs: atMs,
  receivedAtMs: atMs,
  verifiedAtMs: atMs,
  endedAtMs: atMs,
  /** Chunks of the image, and how many of them were read from the disk and found right. */
  chunks: Type.Optional(count),
  verifiedChunks: Type.Optional(count),
  /** Plain bytes: laid down from the cast, over HTTP, and right on the disk before. */
  castBytes: bytes,
  httpBytes: bytes,
  keptBytes: bytes,
  /** What came of activating the containers on its disk. */
  containers: deployResultSchema.properties.containers,
  /** What ran when all was laid, and what it said. */
  finishers: Type.Optional(Type.Array(finisherResultSchema)),
  /** Of a capture: used bytes of the disk, and stored bytes that travelled. */
  usedBytes: bytes,
  uploadedBytes: bytes,
  /** Passes it heard, times it fetched over HTTP, times it was set aside because it was slow. */
  passes: count,
  repairs: count,
  parked: count,
});
export type Receipt = Static<typeof receiptSchema>;

export const sessionReportSchema = Type.Object({
  ...{ sessionId, kind, image, version, manifestId, verify },
  state: sessionViewSchema.properties.state,
  audit: sessionViewSchema.properties.audit,
  /** Who began it. */
  actor: Type.Optional(Type.String()),
  createdAtMs: timeMs,
  endedAtMs: atMs,
  succeeded: count,
  failed: count,
  cancelled: count,
  /** Tasks that have not ended. */
  running: count,
  casts: Type.Array(castViewSchema),
  /** One a host: its last task. */
  receipts: Type.Array(receiptSchema),
});
export type SessionReport = Static<typeof sessionReportSchema>;
