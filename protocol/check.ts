/** The check-up of one host that has nothing else to do: what its agent measures, and what it says. Nothing is written to a disk. */
import { type Static, Type } from 'typebox';
import { diskSchema } from './disk.ts';
import { probeOrderSchema } from './probe.ts';

/** listen: joins the group of the probe, and is done when it listens · measure: says what was heard, and measures the rest. */
export const checkSteps = ['listen', 'measure'] as const;
export type CheckStep = (typeof checkSteps)[number];

export const checkContentSchema = Type.Object({
  /** The same in all steps of one check-up. */
  checkId: Type.String(),
  step: Type.Enum([...checkSteps]),
  /** Absent: there is no multicast to listen to. */
  probe: Type.Optional(probeOrderSchema),
  /** Each disk is read until so much has been read or so much time has passed. */
  diskBytes: Type.Integer({ minimum: 1 }),
  diskMs: Type.Integer({ minimum: 1 }),
});
export type CheckContent = Static<typeof checkContentSchema>;

export const diskReadingSchema = Type.Object({
  ...Type.Pick(diskSchema, ['path', 'model', 'serial', 'sizeBytes']).properties,
  readBytes: Type.Integer(),
  readMs: Type.Number(),
  /** Why it could not be read on. */
  problem: Type.Optional(Type.String()),
});
export type DiskReading = Static<typeof diskReadingSchema>;

/** What the agent found at step measure. */
export const checkResultSchema = Type.Object({
  /** The host's own clock at the end, in ms since 1970. */
  nowMs: Type.Integer(),
  interface: Type.String(),
  mtu: Type.Integer(),
  /** Absent when the driver does not say. */
  linkMbit: Type.Optional(Type.Integer()),
  hasBroadcast: Type.Boolean(),
  memoryBytes: Type.Integer(),
  freeMemoryBytes: Type.Integer(),
  /** Most that a socket may ask for: net.core.rmem_max. */
  receiveBufferBytes: Type.Integer(),
  /** Datagrams of the probe that came; absent: none was asked for. */
  heard: Type.Optional(Type.Integer()),
  /** Between the first and the last of them, in ms. */
  heardMs: Type.Optional(Type.Number()),
  /** Why it could not listen. */
  deafBecause: Type.Optional(Type.String()),
  disks: Type.Array(diskReadingSchema),
});
export type CheckResult = Static<typeof checkResultSchema>;
