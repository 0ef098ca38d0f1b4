/**
 * Of the admin API: what is asked of a deployment.
 *
 * | call | body → answer |
 * |---|---|
 * | POST   /plans/deploy | DeployRequest → DeployPlan. Changes nothing |
 * | POST   /sessions/deploy | DeployRequest + planId → SessionView |
 */
import { type Static, Type } from 'typebox';
import { growRuleSchema } from '../grow-rule.ts';
import { luksSecretsSchema } from '../secret.ts';
import { onDoneSchema, onFailureSchema } from './afterwards.ts';

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
  /** What opens the LUKS containers of the image on the hosts; required when it has any whose insides it carries. */
  luksSecrets: Type.Optional(luksSecretsSchema),
  /** What a host does when its task has succeeded. */
  onDone: onDoneSchema,
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
