/**
 * The admin API, version 1, under /api/v1: what the CLI (and later the web) asks of the daemon. Errors are `{ error: ErrorBody }`.
 *
 * | call | body → answer |
 * |---|---|
 * | GET    /status | → DaemonStatus |
 * | GET    /hosts · /hosts/HOST | → HostView[] · HostView. HOST is a name or an id |
 * | POST   /hosts | NewHost → HostView |
 * | POST   /hosts/import | { csv } → ImportAnswer |
 * | POST   /hosts/HOST/approve · /hosts/HOST/rename | – · { name } → HostView |
 * | POST   /hosts/HOST/set | HostSettings → HostView |
 * | POST   /hosts/HOST/wake | → WakeAnswer. Sends magic packets and does not wait for the host |
 * | POST   /hosts/HOST/power | { action: reboot or poweroff } → HostView. Only a host in the agent that no session has |
 * | DELETE /hosts/HOST | → 204 |
 * | GET    /groups | → GroupView[] |
 * | POST   /groups | { name } → GroupView |
 * | POST   /groups/GROUP/rename · /add · /remove | { name } · { hosts } · { hosts } → GroupView |
 * | POST   /groups/GROUP/set | GroupSettings → GroupView |
 * | DELETE /groups/GROUP | → 204 |
 * | GET    /images · /images/IMAGE | → ImageView[] · ImageView. IMAGE is NAME or NAME@VERSION |
 * | POST   /images/IMAGE/rename | { name } → ImageView |
 * | DELETE /images/IMAGE | → 204. NAME@VERSION removes one version |
 * | POST   /images/IMAGE/verify · /store/verify | → lines of JSON: VerifyLine. Reads every chunk |
 * | POST   /images/IMAGE/fit | { toBytes, name? } → lines of JSON: FitLine. Makes a smaller image of it |
 * | POST   /store/prune | { dryRun } → PruneAnswer |
 * | POST   /plans/deploy | DeployRequest → DeployPlan. Changes nothing |
 * | POST   /sessions/deploy | DeployRequest + planId → SessionView |
 * | POST   /plans/wipe · /sessions/wipe | WipeRequest · + planId → WipePlan · SessionView |
 * | POST   /sessions/capture | CaptureRequest → SessionView |
 * | GET    /sessions?limit= · /sessions/ID | → SessionView[] · SessionView |
 * | POST   /sessions/ID/start-now · /sessions/ID/cancel | → SessionView |
 * | POST   /sessions/ID/set · /add · /remove | changes it while it runs: session-change.ts |
 * | GET    /sessions/ID/report · /hosts/HOST/history?limit= | what was done to which host: receipt.ts |
 * | POST   /plans/schedule | NewSchedule → SchedulePreview. Changes nothing (schedule.ts has the schemas) |
 * | GET    /schedules · /schedules/NAME | → ScheduleView[] · ScheduleView |
 * | POST   /schedules | NewSchedule → ScheduleView |
 * | GET    /schedules/NAME/runs?limit= | → ScheduleRun[], newest first |
 * | POST   /schedules/NAME/run | → ScheduleRun: begins now |
 * | POST   /schedules/NAME/pause · /resume | → ScheduleView |
 * | DELETE /schedules/NAME | → 204. With its history |
 * | GET    /finishers · POST /finishers · DELETE /finishers/NAME | what runs when a disk is laid: finisher.ts |
 * | POST   /groups/GROUP/finishers · /images/IMAGE/finishers | { finishers } → FinisherDefault |
 * | GET    /dhcp/leases | → LeaseView[]. Empty unless DHCP gives addresses |
 * | GET    /dhcp/external/KIND | → { text }: a snippet for a DHCP server of KIND isc, kea, dnsmasq or windows |
 * | POST   /doctor | DoctorRequest → lines of JSON: DoctorLine (doctor.ts). Writes to no disk |
 * | GET    /events?session=&host=&actor=&after=&follow= | → EventView[]; with follow=1 an SSE stream |
 *
 * The SSE stream sends `event: audit` (data EventView, id = event id; `Last-Event-ID` resumes) and, for a stream of one
 * session, `event: session` (data SessionView) at most twice a second while something changes.
 */
import { type Static, Type } from 'typebox';
import {
  captureResultSchema,
  deployResultSchema,
  errorBodySchema,
  inventorySchema,
  progressSchema,
} from './agent-api.ts';
import { diskIdentitySchema } from './disk.ts';
import { auditResultSchema } from './drift.ts';
import { finisherStepSchema } from './finisher.ts';
import { fitChangeSchema, growRuleSchema } from './fit.ts';
import { layoutSchema } from './layout.ts';
import { volumeHeadSchema } from './manifest.ts';
import { sessionStates, taskStates } from './states.ts';
import { wipeMethodSchema, wipeResultSchema } from './wipe.ts';

/** A name of a host, group or image. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
const name = Type.String({ pattern: NAME_PATTERN });
/** Milliseconds since 1970. */
const timeMs = Type.Integer();

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

/** A disk rule (disk-rule.ts) and who set it: `the session`, `the host`, `the group NAME`. */
const chosenRuleSchema = Type.Object({ rule: Type.String(), from: Type.String() });
export type ChosenRule = Static<typeof chosenRuleSchema>;

export const hostViewSchema = Type.Object({
  hostId: Type.Integer(),
  name,
  /** pending: seen, not approved; it boots its local disk. */
  approval: Type.Union([Type.Literal('pending'), Type.Literal('approved')]),
  macs: Type.Array(Type.String()),
  systemUuid: Type.Optional(Type.String()),
  groups: Type.Array(Type.String()),
  /** agent: its agent speaks to the server now. */
  presence: Type.Union([Type.Literal('agent'), Type.Literal('away')]),
  lastSeenMs: Type.Optional(timeMs),
  /** When its firmware last asked the server what to boot. */
  lastBootMs: Type.Optional(timeMs),
  /** Address that DHCP keeps for it. */
  address: Type.Optional(Type.String()),
  /** Its magic packets carry a password. */
  hasSecureOn: Type.Optional(Type.Boolean()),
  /** Disk rules for when a session gives none: its own, or else those of its groups. */
  diskRules: Type.Optional(Type.Array(chosenRuleSchema)),
  session: Type.Optional(Type.Integer()),
  inventory: Type.Optional(inventorySchema),
});
export type HostView = Static<typeof hostViewSchema>;

/** What is absent stays as it is; null removes it. */
export const hostSettingsSchema = Type.Object({
  /** Six bytes as 00:11:22:33:44:55, which its network card wants in a magic packet. */
  secureOn: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  address: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  /** Disk rule for when a session gives none. */
  disk: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
export type HostSettings = Static<typeof hostSettingsSchema>;

/** The host is up when it has been seen, or has asked what to boot, since `wokenAtMs`. */
export const wakeAnswerSchema = Type.Object({ host: hostViewSchema, wokenAtMs: timeMs });
export type WakeAnswer = Static<typeof wakeAnswerSchema>;

export const powerActionSchema = Type.Union([Type.Literal('reboot'), Type.Literal('poweroff')]);
export type PowerAction = Static<typeof powerActionSchema>;

export const newHostSchema = Type.Object({
  name,
  macs: Type.Array(Type.String(), { minItems: 1 }),
  groups: Type.Optional(Type.Array(name)),
});
export type NewHost = Static<typeof newHostSchema>;

export const importAnswerSchema = Type.Object({
  added: Type.Integer(),
  /** Hosts that were known: approved, renamed or put into a group by this import. */
  updated: Type.Integer(),
  unchanged: Type.Integer(),
  hosts: Type.Array(Type.String()),
});
export type ImportAnswer = Static<typeof importAnswerSchema>;

export const groupViewSchema = Type.Object({
  name,
  hosts: Type.Array(Type.String()),
  /** Disk rule of its hosts for when neither session nor host gives one. */
  disk: Type.Optional(Type.String()),
});
export type GroupView = Static<typeof groupViewSchema>;

/** What is absent stays as it is; null removes it. */
export const groupSettingsSchema = Type.Object({ disk: Type.Optional(Type.Union([Type.String(), Type.Null()])) });
export type GroupSettings = Static<typeof groupSettingsSchema>;

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
  name,
  /** Newest first. */
  versions: Type.Array(versionViewSchema),
  /** Of the newest (or the named) version; only in the view of one image. */
  layout: Type.Optional(layoutSchema),
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
  /** Size of the disk that it is to fit, in bytes. */
  toBytes: Type.Integer({ minimum: 1 }),
  /** Name of the image that is made; absent: NAME-100G. */
  name: Type.Optional(Type.String()),
});

/** How far the making of a fitted image is; the last line is `done` or has the error. */
export const fitLineSchema = Type.Object({
  /** restore: volumes are copied out of the store · fit: filesystems become smaller · store: what is new goes into the store. */
  phase: Type.Union([Type.Literal('restore'), Type.Literal('fit'), Type.Literal('store')]),
  /** The volume that is worked on. */
  partition: Type.Optional(Type.Integer()),
  doneBytes: Type.Integer(),
  totalBytes: Type.Integer(),
  done: Type.Optional(
    Type.Object({
      image: name,
      version: Type.Integer(),
      manifestId: Type.String(),
      isNew: Type.Boolean(),
      addedBytes: Type.Integer(),
      changes: Type.Array(fitChangeSchema),
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

export const startPolicySchema = Type.Object({
  /** all ready · N ready · now (whoever is ready; late ones are repaired). The deadline may join any of them. */
  when: Type.Union([Type.Literal('all'), Type.Literal('count'), Type.Literal('now')]),
  count: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Seconds after which the cast starts with whoever is ready, if at least `atLeast` (default 1) are. */
  deadlineS: Type.Optional(Type.Integer({ minimum: 1 })),
  atLeast: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type StartPolicy = Static<typeof startPolicySchema>;

/** Each stripe of 128 packets survives the loss of 8, and 8 stripes are interleaved: 6 % more to send. */
export const DEFAULT_FEC = '8x8/128';
/** What udp-sender takes: up to 128 each. */
export const FEC_PATTERN =
  '^([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])x([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])/([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$';

export const DEFAULT_WEIGHT = 1;

export const castModeSchema = Type.Union([
  Type.Literal('multicast'),
  Type.Literal('broadcast'),
  Type.Literal('unicast'),
  /** Multicast without a word back while it runs: for bad return paths. Needs a rate. */
  Type.Literal('oneway'),
]);
export type CastMode = Static<typeof castModeSchema>;

/** auto: a host hashes its disk first when that is expected to be quicker · always · never: every host takes everything. */
export const deltaPolicySchema = Type.Union([Type.Literal('auto'), Type.Literal('always'), Type.Literal('never')]);
export type DeltaPolicy = Static<typeof deltaPolicySchema>;

/** Time between two waves when only their size is said, in s: the inrush of a power supply is over by then. */
export const DEFAULT_WAKE_GAP_S = 5;

/** So many hosts, or all that are left. */
const waveSizeSchema = Type.Union([Type.Integer({ minimum: 1 }), Type.Literal('rest')]);
export type WaveSize = Static<typeof waveSizeSchema>;
/** Failed hosts after which no further wave begins, when nothing is said. */
export const DEFAULT_STOP_AT_FAILURES = 1;

/** What a host does when its task has failed; absent: stay, so that somebody can look at it. */
const onFailureSchema = Type.Union([Type.Literal('stay'), Type.Literal('reboot'), Type.Literal('poweroff')]);

export const deployRequestSchema = Type.Object({
  /** NAME or NAME@VERSION. */
  image: Type.String(),
  hosts: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  /** Disk rule for every host (disk-rule.ts); absent: that of the host, or of its groups, or the only disk that qualifies. */
  disk: Type.Optional(Type.String()),
  start: startPolicySchema,
  mode: castModeSchema,
  /** Cap of the cast in Mbit/s. */
  maxMbit: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  /** Its part of an interface with a cap, against that of other casts. Absent: DEFAULT_WEIGHT. */
  weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  /** Forward error correction of mode oneway: STRIPES x REDUNDANCY / STRIPESIZE of udp-sender(1). Absent: DEFAULT_FEC. */
  fec: Type.Optional(Type.String({ pattern: FEC_PATTERN })),
  verify: Type.Union([Type.Literal('full'), Type.Literal('none')]),
  /** Whether hosts hash their disks first and take only what they lack; absent: auto. */
  delta: Type.Optional(deltaPolicySchema),
  /** Which partitions take the room of a larger disk; absent: none, it stays free at the end. */
  grow: Type.Optional(growRuleSchema),
  /** Finishers in their order, `none` alone for none; absent: what group or image choose. */
  finishers: Type.Optional(Type.Array(Type.String(), { maxItems: 50 })),
  /** What each machine is to call itself, with {{placeholders}}; absent: the name of its host. */
  hostname: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  /** Of the finisher `boot`: network boot entries of UEFI firmware stay before that of the disk. */
  keepNetbootFirst: Type.Optional(Type.Boolean()),
  /** Each host's partition table gets ids of its own; absent: those of the source. */
  newIds: Type.Optional(Type.Literal(true)),
  /** What a host does when its task has succeeded. */
  onDone: Type.Union([Type.Literal('reboot'), Type.Literal('poweroff'), Type.Literal('stay')]),
  onFailure: Type.Optional(onFailureSchema),
  /** At most so many hosts are woken within `wakeGapS` seconds; absent: no waves. */
  wakeWave: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Absent: DEFAULT_WAKE_GAP_S. */
  wakeGapS: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })),
  /** Sizes of canary waves: each must be done, verified, before hosts of the next are woken. The last holds for all after it. */
  waves: Type.Optional(Type.Array(waveSizeSchema, { minItems: 1, maxItems: 100 })),
  /** Failed hosts after which no further wave begins. Absent: DEFAULT_STOP_AT_FAILURES. */
  stopAtFailures: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Only compare the disks with the image: nothing is written, and a host is done when it has been read. */
  audit: Type.Optional(Type.Literal(true)),
  /** Leave out the hosts that the plan refuses instead of refusing the session. */
  skipRefused: Type.Boolean(),
  /** Required to start a session: the plan that the admin saw. */
  planId: Type.Optional(Type.String()),
});
export type DeployRequest = Static<typeof deployRequestSchema>;

export const planHostSchema = Type.Object({
  hostId: Type.Integer(),
  host: Type.String(),
  presence: hostViewSchema.properties.presence,
  disk: Type.Optional(diskIdentitySchema),
  diskPath: Type.Optional(Type.String()),
  /** The rule that chose it; absent: none is set. */
  rule: Type.Optional(chosenRuleSchema),
  /** Its other disks, each with why it was not chosen. */
  otherDisks: Type.Optional(Type.Array(Type.String())),
  /** What is on the disk now and will be lost. */
  lost: Type.Optional(Type.String()),
  /** exact · larger (space at the end stays free) · fitted (volumes are moved or grow). */
  fit: Type.Optional(Type.Union([Type.Literal('exact'), Type.Literal('larger'), Type.Literal('fitted')])),
  /** fit `fitted` only: what lies elsewhere or becomes larger than on the source. */
  fitted: Type.Optional(Type.Array(fitChangeSchema)),
  /** What runs when all is laid, in order. */
  finishers: Type.Optional(Type.Array(finisherStepSchema)),
  /** Its canary wave, from 1. */
  wave: Type.Optional(Type.Integer()),
  refused: Type.Optional(errorBodySchema),
  /** Whether it will hash its disk first, and both estimates of its own work; absent: it is refused. */
  delta: Type.Optional(
    Type.Object({
      hash: Type.Boolean(),
      hashSeconds: Type.Number(),
      /** Share of the image that it is expected to lack after hashing, 0 to 1. */
      moveShare: Type.Number(),
      /** Hashing, and moving and verifying what lacks · moving and verifying everything. */
      deltaSeconds: Type.Number(),
      fullSeconds: Type.Number(),
      because: Type.String(),
    }),
  ),
});
export type PlanHost = Static<typeof planHostSchema>;

export const deployPlanSchema = Type.Object({
  /** Hash of the plan: image version, hosts, disks. */
  planId: Type.String(),
  image: Type.String(),
  version: Type.Integer(),
  manifestId: Type.String(),
  diskBytes: Type.Integer(),
  usedBytes: Type.Integer(),
  /** Bytes on the wire of one full pass. */
  storedBytes: Type.Integer(),
  hosts: Type.Array(planHostSchema),
  /** Estimate from start of the cast to the last verified host, in seconds; says what it assumes. */
  expectedSeconds: Type.Integer(),
  expectedBecause: Type.String(),
});
export type DeployPlan = Static<typeof deployPlanSchema>;

export const wipeRequestSchema = Type.Object({
  hosts: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  /** Disk rule for every host (disk-rule.ts): what is to be lost for good must be said. */
  disk: Type.String({ minLength: 1 }),
  method: wipeMethodSchema,
  onDone: deployRequestSchema.properties.onDone,
  onFailure: Type.Optional(onFailureSchema),
  skipRefused: Type.Boolean(),
  /** Required to start a session: the plan that the admin saw. */
  planId: Type.Optional(Type.String()),
});
export type WipeRequest = Static<typeof wipeRequestSchema>;

export const wipePlanSchema = Type.Object({
  /** Hash of the plan: method, hosts, disks. */
  planId: Type.String(),
  method: wipeMethodSchema,
  hosts: Type.Array(planHostSchema),
});
export type WipePlan = Static<typeof wipePlanSchema>;

export const captureRequestSchema = Type.Object({
  host: Type.String(),
  image: name,
  disk: Type.Optional(Type.String()),
  chunkBytes: Type.Optional(Type.Integer()),
  zstdLevel: Type.Optional(Type.Integer({ minimum: 1, maximum: 19 })),
  /** Read on over bad sectors; what is lost is zeros in the image, which says so. */
  rescue: Type.Optional(Type.Boolean()),
  onDone: Type.Union([Type.Literal('reboot'), Type.Literal('poweroff'), Type.Literal('stay')]),
  onFailure: Type.Optional(onFailureSchema),
});
export type CaptureRequest = Static<typeof captureRequestSchema>;

export const taskViewSchema = Type.Object({
  taskId: Type.Integer(),
  hostId: Type.Integer(),
  host: Type.String(),
  state: Type.Enum([...taskStates]),
  /** Its canary wave, from 1. */
  wave: Type.Optional(Type.Integer()),
  disk: diskIdentitySchema,
  /** No report for a while. */
  isLost: Type.Boolean(),
  progress: Type.Optional(progressSchema),
  holes: Type.Optional(Type.Integer()),
  /** It left a cast because it held the others back: plain bytes that came to its disk then. */
  parkedBytesPerSecond: Type.Optional(Type.Integer()),
  /** It has begun to write its disk. */
  hasWritten: Type.Optional(Type.Boolean()),
  error: Type.Optional(errorBodySchema),
  deployResult: Type.Optional(deployResultSchema),
  auditResult: Type.Optional(auditResultSchema),
  captureResult: Type.Optional(captureResultSchema),
  wipeResult: Type.Optional(wipeResultSchema),
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

/**
 * An address that the DHCP server gave, or offers, leaves alone because somebody uses it without a lease (declined), or keeps for
 * a host that has not asked for it yet (reserved).
 */
export const leaseViewSchema = Type.Object({
  address: Type.String(),
  mac: Type.String(),
  /** As the client says. */
  hostName: Type.Optional(Type.String()),
  state: Type.Enum(['offered', 'bound', 'expired', 'released', 'declined', 'reserved']),
  /** Name of the host for which the address is kept. */
  reservedFor: Type.Optional(Type.String()),
  /** Absent: reserved, not given. */
  startedMs: Type.Optional(timeMs),
  expiresMs: Type.Optional(timeMs),
});
export type LeaseView = Static<typeof leaseViewSchema>;

/** DHCP servers for which there is a snippet. */
export const externalKinds = ['isc', 'kea', 'dnsmasq', 'windows'] as const;
export const externalSnippetSchema = Type.Object({ text: Type.String() });

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
  /** On whose behalf: the user that the caller states, or `schedule NAME`. Absent: it happened by itself. */
  actor: Type.Optional(Type.String()),
});
export type EventView = Static<typeof eventViewSchema>;
