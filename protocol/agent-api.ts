/**
 * What server and agent say to each other over HTTP on the deployment network. docs/protocols/agent.md tells it as a story.
 *
 * | call | body → answer |
 * |---|---|
 * | GET  /boot/v1/next?mac=&uuid= | → BootTarget. What firmware (or a light host) boots next |
 * | POST /agent/v1/hello | Hello → Welcome. Spends the boot token; every other call needs `Authorization: Bearer agentToken` |
 * | GET  /agent/v1/order?after=REV | → Order. Answers at once when the order's rev differs from `after`, else within 20 s |
 * | POST /agent/v1/report | Report → ReportAnswer. Also the heartbeat |
 * | GET  /agent/v1/manifests/ID | → manifest bytes. Only of the task's own image |
 * | GET  /agent/v1/tasks/ID/secrets/NAME | → SealedSecret (sealed-secret.ts). Only one that the running task names, sealed to the key of the hello |
 * | GET  /agent/v1/finishers/DIGEST | → bytes of an own finisher. Only of the task's own ones (finisher.ts) |
 * | PUT  /agent/v1/tasks/ID/holes | holes wire form (holes.ts) → 204. Sent before a `done` report of prepare, receive, repair, verify |
 * | POST /agent/v1/tasks/ID/frames?nonce=HEX | holes wire form: the chunks wanted → announce, chunk frames, trailer (frame.ts) |
 * | POST /agent/v1/tasks/ID/lacking | n × 32 bytes of chunk ids → ceil(n/8) bytes, bit i set: the store lacks id i |
 * | POST /agent/v1/tasks/ID/chunks | stored chunks one after another (stored-chunk.ts) → ChunksAnswer |
 * | PUT  /agent/v1/tasks/ID/manifest | manifest bytes → ManifestAnswer. Makes the version; all its chunks must be in the store |
 */
import { type Static, Type } from 'typebox';
import { checkContentSchema, checkResultSchema } from './check.ts';
import { diskIdentitySchema, diskSchema } from './disk.ts';
import { auditResultSchema } from './drift.ts';
import { errorBodySchema } from './error-body.ts';
import { finisherResultSchema, finishingSchema } from './finisher.ts';
import { fitSchema } from './fit.ts';
import { growRuleSchema } from './grow-rule.ts';
import { probeHeardSchema, probeOrderSchema } from './probe.ts';
import { sealKeySchema } from './sealed-secret.ts';
import { luksSecretsSchema } from './secret.ts';
import { captureResultSchema, deployResultSchema } from './task-result.ts';
import { twinSchema } from './twin.ts';
import { wipeMethodSchema, wipeResultSchema } from './wipe.ts';

/** Raised with every incompatible change of this page. */
export const AGENT_PROTOCOL = 1;
/** Time between reports while nothing happens, in ms. */
export const HEARTBEAT_MS = 2000;
/** An order call is answered after this long at the latest, in ms. */
export const ORDER_WAIT_MS = 20_000;
/** Most chunk ids in one `lacking` call. */
export const MAX_LACKING_IDS = 4096;

export const bootTargetSchema = Type.Union([
  Type.Object({ target: Type.Literal('local'), reason: Type.String() }),
  /** `server` is the base URL of the agent API; `bootToken` is good for one hello. */
  Type.Object({ target: Type.Literal('agent'), server: Type.String(), bootToken: Type.String() }),
]);
export type BootTarget = Static<typeof bootTargetSchema>;

export const inventorySchema = Type.Object({
  systemUuid: Type.String(),
  /** Of the interface that reaches the server; lower case with colons. */
  mac: Type.String(),
  macs: Type.Array(Type.String()),
  manufacturer: Type.String(),
  product: Type.String(),
  serial: Type.String(),
  firmware: Type.Union([Type.Literal('bios'), Type.Literal('uefi'), Type.Literal('light')]),
  cpus: Type.Integer(),
  memoryBytes: Type.Integer(),
  address: Type.String(),
  interface: Type.String(),
  /** Link speed in Mbit/s; absent when the driver does not say. */
  linkMbit: Type.Optional(Type.Integer()),
  disks: Type.Array(diskSchema),
});
export type Inventory = Static<typeof inventorySchema>;

export const helloSchema = Type.Object({
  protocol: Type.Integer(),
  agentVersion: Type.String(),
  bootToken: Type.String(),
  inventory: inventorySchema,
  /** Secrets are sealed to it; absent: this agent is given none. */
  sealKey: Type.Optional(sealKeySchema),
});
export type Hello = Static<typeof helloSchema>;

export const welcomeSchema = Type.Object({
  agentToken: Type.String(),
  hostId: Type.Integer(),
  hostName: Type.String(),
});
export type Welcome = Static<typeof welcomeSchema>;

/** How to hear one cast. */
export const castOrderSchema = Type.Object({
  castId: Type.String(),
  /** 8 bytes in hex; frames with another nonce are ignored. */
  nonce: Type.String(),
  portBase: Type.Integer(),
  /** Rendezvous multicast group; absent: broadcast. */
  rdvAddress: Type.Optional(Type.String()),
  /** Nothing is acknowledged: the receiver goes on when data is lost. */
  isOneWay: Type.Optional(Type.Boolean()),
  startTimeoutS: Type.Integer(),
  receiveTimeoutS: Type.Integer(),
  /** Chunk frames and their bytes in this pass, for progress. */
  frames: Type.Integer(),
  bytes: Type.Integer(),
});
export type CastOrder = Static<typeof castOrderSchema>;

/** prepare: check the disk, find the holes (all, or by hashing what is there) · hold: wait · receive: hear the cast · repair: fetch the holes · verify: read back · finish: layout, swap, flush. */
export const deploySteps = ['prepare', 'hold', 'receive', 'repair', 'verify', 'finish'] as const;
export type DeployStep = (typeof deploySteps)[number];

const orderedFitSchema = Type.Object({ ...fitSchema.properties, grow: growRuleSchema });
const orderedTwinSchema = Type.Object({ ...twinSchema.properties, fit: Type.Optional(orderedFitSchema) });

const rev = Type.String();
/** What the host should be doing now. The same rev means the same order: asking again is harmless. */
export const orderSchema = Type.Union([
  Type.Object({ kind: Type.Literal('wait'), rev }),
  Type.Object({
    kind: Type.Literal('capture'),
    rev,
    taskId: Type.Integer(),
    sessionId: Type.Integer(),
    disk: diskIdentitySchema,
    /** Further disks, for one image of all of them. */
    moreDisks: Type.Optional(Type.Array(diskIdentitySchema)),
    chunkBytes: Type.Integer(),
    zstdLevel: Type.Integer(),
    /** Reads on over bad sectors: what is lost is zeros, and is told. */
    rescue: Type.Optional(Type.Boolean()),
    /** Names of the secrets that may open its LUKS containers. */
    luksSecrets: Type.Optional(luksSecretsSchema),
  }),
  Type.Object({
    kind: Type.Literal('deploy'),
    rev,
    taskId: Type.Integer(),
    sessionId: Type.Integer(),
    manifestId: Type.String(),
    disk: diskIdentitySchema,
    step: Type.Enum([...deploySteps]),
    /** Counts how often the task was told this step; a step done in an earlier round is done again. */
    round: Type.Integer(),
    /** Step prepare: read what the disk holds and lack only what is wrong. An agent that knows its holes already does not. */
    hash: Type.Optional(Type.Boolean()),
    cast: Type.Optional(castOrderSchema),
    /** Step hold only: listen to this meanwhile, and say what was heard. */
    probe: Type.Optional(probeOrderSchema),
    /** Where the volumes lie on this disk, and the rule it follows from; absent: as on the source. */
    fit: Type.Optional(orderedFitSchema),
    /** Further disks that take the same from the same stream, each with its own fit. The holes are what any of them lacks. */
    twins: Type.Optional(Type.Array(orderedTwinSchema)),
    /** Step finish only: what runs when all is laid; absent: nothing. */
    finishing: Type.Optional(finishingSchema),
    /** Step finish: the table gets ids of its own instead of the source's. */
    newIds: Type.Optional(Type.Literal(true)),
    /** Step finish: containers are not activated, for nothing is to be checked. */
    unchecked: Type.Optional(Type.Literal(true)),
    /** Names of the secrets that are to open the LUKS containers of the image. */
    luksSecrets: Type.Optional(luksSecretsSchema),
  }),
  /** Compare the disk with an image; write nothing. */
  Type.Object({
    kind: Type.Literal('audit'),
    rev,
    taskId: Type.Integer(),
    sessionId: Type.Integer(),
    manifestId: Type.String(),
    disk: diskIdentitySchema,
    /** Where the image would lie on it; absent: as on the source. */
    fit: Type.Optional(orderedFitSchema),
    /** Further disks, each to be compared with the whole image or with its part of it. */
    twins: Type.Optional(Type.Array(orderedTwinSchema)),
    luksSecrets: Type.Optional(luksSecretsSchema),
  }),
  /** Look at yourself, for the doctor. */
  Type.Object({ kind: Type.Literal('check'), rev, ...checkContentSchema.properties }),
  /** Step check: nothing is written. Step wipe: the disks are erased, each is then sampled. */
  Type.Object({
    kind: Type.Literal('wipe'),
    rev,
    taskId: Type.Integer(),
    sessionId: Type.Integer(),
    disk: diskIdentitySchema,
    /** Further disks, wiped at the same time. */
    moreDisks: Type.Optional(Type.Array(diskIdentitySchema)),
    method: wipeMethodSchema,
    step: Type.Union([Type.Literal('check'), Type.Literal('wipe')]),
  }),
  /** The host has no more to do here. */
  Type.Object({
    kind: Type.Literal('release'),
    rev,
    action: Type.Union([Type.Literal('reboot'), Type.Literal('poweroff'), Type.Literal('stay')]),
  }),
]);
export type Order = Static<typeof orderSchema>;
export type CaptureOrder = Extract<Order, { kind: 'capture' }>;
export type WipeOrder = Extract<Order, { kind: 'wipe' }>;
export type AuditOrder = Extract<Order, { kind: 'audit' }>;
export type DeployOrder = Extract<Order, { kind: 'deploy' }>;
export type CheckOrder = Extract<Order, { kind: 'check' }>;

/** The buffer between the wire and the disk of a host that hears a cast. Bytes are stored bytes, as they travel. */
export const streamStateSchema = Type.Object({
  /** Read from udp-receiver since the step began. */
  receivedBytes: Type.Integer(),
  /** Waiting to be written, and the most that can wait. */
  queuedBytes: Type.Integer(),
  bufferBytes: Type.Integer(),
  /** Time in which nothing could be read, because the buffer was full, in ms since the step began. */
  stalledMs: Type.Integer(),
});
export type StreamState = Static<typeof streamStateSchema>;

export const progressSchema = Type.Object({
  /** What the agent is doing, a word: map, hash, upload, prepare, receive, repair, verify, finish. */
  phase: Type.String(),
  doneBytes: Type.Integer(),
  totalBytes: Type.Integer(),
  bytesPerSecond: Type.Integer(),
  /** Chunks still lacking (deploy only). */
  holes: Type.Optional(Type.Integer()),
  /** What the admin should know before the work goes on: the result has them too. */
  warnings: Type.Optional(Type.Array(Type.String())),
  /** Step receive only. */
  stream: Type.Optional(streamStateSchema),
});
export type Progress = Static<typeof progressSchema>;

export const reportSchema = Type.Object({
  /** The order this is about. */
  rev,
  status: Type.Union([Type.Literal('idle'), Type.Literal('working'), Type.Literal('done'), Type.Literal('failed')]),
  progress: Type.Optional(progressSchema),
  /** status failed only. */
  error: Type.Optional(errorBodySchema),
  /** status failed of step finish: what the finishers said, the one that failed last. */
  finisherResults: Type.Optional(Type.Array(finisherResultSchema)),
  /** status done of a probe. */
  probe: Type.Optional(probeHeardSchema),
  /** status done of step finish; status failed when other disks of the task are done. */
  deployResult: Type.Optional(deployResultSchema),
  /** status done of an audit; status failed when other disks of the task were read. */
  auditResult: Type.Optional(auditResultSchema),
  /** status done of a check-up. */
  checkResult: Type.Optional(checkResultSchema),
  /** status done of a wipe; status failed when other disks of the task are wiped. */
  wipeResult: Type.Optional(wipeResultSchema),
  /** status done of a capture. */
  captureResult: Type.Optional(captureResultSchema),
});
export type Report = Static<typeof reportSchema>;

/** `rev` is the host's present order: when it differs from the agent's, the agent asks for the order. */
export const reportAnswerSchema = Type.Object({ rev });
export type ReportAnswer = Static<typeof reportAnswerSchema>;

export const chunksAnswerSchema = Type.Object({ stored: Type.Integer(), duplicates: Type.Integer() });
export type ChunksAnswer = Static<typeof chunksAnswerSchema>;

export const manifestAnswerSchema = Type.Object({
  manifestId: Type.String(),
  image: Type.String(),
  version: Type.Integer(),
  /** False when the disk is just what the image's latest version holds. */
  isNew: Type.Boolean(),
});
export type ManifestAnswer = Static<typeof manifestAnswerSchema>;
