/**
 * Of the admin API: how the daemon is.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /status | → DaemonStatus |
 */
import { type Static, Type } from 'typebox';
import { timeMs } from './time.ts';

export const statusSchema = Type.Object({
  version: Type.String(),
  pid: Type.Integer(),
  startedAtMs: timeMs,
  interface: Type.String(),
  address: Type.String(),
  agentUrl: Type.String(),
  dataDir: Type.String(),
  hosts: Type.Integer(),
  images: Type.Integer(),
  runningSessions: Type.Integer(),
  rssBytes: Type.Integer(),
});
export type DaemonStatus = Static<typeof statusSchema>;
