/** Of the admin API: what a deployment would do to each host. The admin signs it off by its id. */
import { type Static, Type } from 'typebox';
import { diskIdentitySchema } from '../disk.ts';
import { errorBodySchema } from '../error-body.ts';
import { finisherStepSchema } from '../finisher.ts';
import { fitChangeSchema } from '../fit.ts';
import { chosenRuleSchema, hostViewSchema } from './host-api.ts';

const fitWordSchema = Type.Union([Type.Literal('exact'), Type.Literal('larger'), Type.Literal('fitted')]);

const plannedTwinSchema = Type.Object({
  disk: diskIdentitySchema,
  /** Of an image of several disks: which of them goes there, counted from 0. Absent: the whole image. */
  source: Type.Optional(Type.Integer()),
  diskPath: Type.String(),
  lost: Type.String(),
  /** Absent: it is wiped. */
  fit: Type.Optional(fitWordSchema),
  fitted: Type.Optional(Type.Array(fitChangeSchema)),
});

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
  fit: Type.Optional(fitWordSchema),
  /** fit `fitted` only: what lies elsewhere or becomes larger than on the source. */
  fitted: Type.Optional(Type.Array(fitChangeSchema)),
  /** Its further disks that take the image (disk rule `each`), or their parts of an image of several disks. */
  twins: Type.Optional(Type.Array(plannedTwinSchema)),
  /** Disk rule `each`: disks that meet the rule and cannot take the image. */
  unfitDisks: Type.Optional(
    Type.Array(Type.Object({ disk: diskIdentitySchema, diskPath: Type.String(), refused: errorBodySchema })),
  ),
  /** What runs when all is laid, in order. */
  finishers: Type.Optional(Type.Array(finisherStepSchema)),
  /** What will open the LUKS containers, and who says so (`the session`, `the group room-101`). Absent: the image has none that it carries open. */
  luksSecrets: Type.Optional(Type.Object({ names: Type.Array(Type.String()), from: Type.String() })),
  /** Its canary wave, from 1. */
  wave: Type.Optional(Type.Integer()),
  refused: Type.Optional(errorBodySchema),
  /** Its link is so slow that the cast begins without it: seconds of the cast with it and without. It is served afterwards. */
  setAside: Type.Optional(
    Type.Object({ linkMbit: Type.Integer(), withSeconds: Type.Number(), withoutSeconds: Type.Number() }),
  ),
  /** Whether it will hash its disk first, and both estimates of its own work; absent: it is refused. */
  delta: Type.Optional(
    Type.Object({
      hash: Type.Boolean(),
      hashSeconds: Type.Number(),
      /** Share of the image that it is expected to lack after hashing, 0 to 1. */
      moveShare: Type.Number(),
      /** Hashing, and moving and verifying what is lacking · moving and verifying everything. */
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
  /** Of an image of several disks: sizes of the others. */
  moreDiskBytes: Type.Optional(Type.Array(Type.Integer())),
  usedBytes: Type.Integer(),
  /** Bytes on the wire of one full pass. */
  storedBytes: Type.Integer(),
  hosts: Type.Array(planHostSchema),
  /** Estimate from start of the cast to the last verified host, in seconds; says what it assumes. */
  expectedSeconds: Type.Integer(),
  expectedBecause: Type.String(),
  /** What the capture of the image had to say: bytes that were lost, a filesystem taken raw. Absent: nothing. */
  warnings: Type.Optional(Type.Array(Type.String())),
});
export type DeployPlan = Static<typeof deployPlanSchema>;

/** Who is refused: `2 of the hosts`, `1 disk`; undefined: nobody. Pure. */
export function refusedIn(hosts: readonly PlanHost[]): string | undefined {
  const refused = hosts.filter((host) => host.refused !== undefined).length;
  const disks = hosts.reduce((sum, host) => sum + (host.unfitDisks?.length ?? 0), 0);
  const parts = [
    ...(refused > 0 ? [`${refused} of the hosts`] : []),
    ...(disks > 0 ? [`${disks} disk${disks === 1 ? '' : 's'}`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
}
