/** The plan of a deployment: what would be written where, and which hosts are refused and why. Pure. */
import { createHash } from 'node:crypto';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { ChosenRule, HostView } from '#protocol/admin/host-api.ts';
import type { VersionView } from '#protocol/admin/image-api.ts';
import { type DeployPlan, type PlanHost, refusedIn } from '#protocol/admin/plan-api.ts';
import { type Disk, type DiskIdentity, describeDisk, identityOf } from '#protocol/disk.ts';
import { chooseDisks, describeJudged, judgeDisks } from '#protocol/disk-rule.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import type { FinisherStep } from '#protocol/finisher.ts';
import { changesOf, type Fit, fitTo, isAsOnSource } from '#protocol/fit.ts';
import { type GrowRule, whyNotGrown } from '#protocol/grow-rule.ts';
import { canonicalJson, type Manifest } from '#protocol/manifest.ts';
import { layoutsOf, partOfDisk } from '#protocol/source-disk.ts';
import type { Twin } from '#protocol/twin.ts';
import type { NewTask } from '../db/task-row.ts';
import { sayTo } from '../images/fit-sizes.ts';
import { planShrink } from '../images/shrink-plan.ts';
import { mapDisks } from './disk-mapping.ts';
import { USUAL_LINK_MBIT, WIRE_SHARE } from './pass-cost.ts';
import { assignWaves } from './waves.ts';

export interface PlanImage {
  readonly image: string;
  readonly version: VersionView;
  readonly manifest: Pick<Manifest, 'head' | 'volumes'>;
}

/** How fast a disk reads, for the estimate. */
const READ_BYTES_PER_SECOND = 200e6;

/** What sets the pace of a cast, and why. */
export interface Pace {
  readonly mbit: number;
  readonly because: string;
}

/** What is chosen for each host. */
export interface HostChoices {
  finishersOf?(host: HostView): FinisherStep[];
  /** What opens the LUKS containers of the image. A KnownError refuses that host alone. */
  secretsOf?(host: HostView): PlanHost['luksSecrets'];
}

/** Plans for these hosts. Throws DISK_RULE_INVALID, GROW_IMPOSSIBLE; what only concerns one host is in its `refused`. */
export function makeDeployPlan(
  request: DeployRequest,
  planImage: PlanImage,
  hosts: readonly HostView[],
  configMaxMbit: number | undefined,
  { finishersOf = () => [], secretsOf = () => undefined }: HostChoices = {},
): DeployPlan {
  const { image, version, manifest } = planImage;
  requireGrowable(request, planImage);
  const planned = inWaves(
    hosts.map((host) =>
      withSecrets(withFinishers(planHost(host, planImage, request), finishersOf(host)), () => secretsOf(host)),
    ),
    request.waves,
  );
  const taking = hosts.filter((_, i) => planned[i]!.refused === undefined);
  const waves = Math.max(1, ...planned.map((host) => host.wave ?? 1));
  const { seconds, because } = estimate(request, version, taking, configMaxMbit);
  const { manifestId, diskBytes, usedBytes, storedBytes, warnings } = version;
  return {
    planId: planIdOf(manifestId, planned, request.newIds === true),
    image,
    version: version.version,
    manifestId,
    diskBytes,
    ...(manifest.head.moreDisks && { moreDiskBytes: manifest.head.moreDisks.map((layout) => layout.diskBytes) }),
    usedBytes,
    storedBytes,
    hosts: planned,
    expectedSeconds: seconds * waves,
    expectedBecause: waves === 1 ? because : `${waves} waves one after the other, each ${because}`,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** The disks that a host's task works on: those that the rule means, by path or in the order of its parts. Throws as chooseDisks, HOST_PENDING, HOST_BUSY, HOST_NEVER_SEEN, DISK_RULES_DIFFER. */
export function chooseTaskDisks(host: HostView, rule: string | undefined): Disk[] {
  return chooseDisks(disksOfFree(host), ruleFor(host, rule)?.rule, host.name);
}

function disksOfFree(host: HostView): readonly Disk[] {
  if (host.approval === 'pending') throw knownError('HOST_PENDING', { host: host.name });
  if (host.session !== undefined) throw knownError('HOST_BUSY', { host: host.name, session: host.session });
  if (host.inventory === undefined) throw knownError('HOST_NEVER_SEEN', { host: host.name });
  return host.inventory.disks;
}

/** The rule that counts: that of the session, the host, its groups; undefined: none is set. Throws DISK_RULES_DIFFER. */
function ruleFor(host: HostView, rule: string | undefined): ChosenRule | undefined {
  if (rule !== undefined) return { rule, from: 'the session' };
  const rules = host.diskRules ?? [];
  if (new Set(rules.map((one) => one.rule)).size > 1) {
    const said = rules.map((one) => `${one.rule} (${one.from})`).join('; ');
    throw knownError('DISK_RULES_DIFFER', { host: host.name, rules: said });
  }
  return rules[0];
}

/**
 * The tasks of what the admin saw. Throws PLAN_CHANGED when it is another plan now, PLAN_REFUSED when hosts are refused that the
 * admin did not agree to leave out.
 */
export function tasksOfPlan(
  plan: DeployPlan,
  request: { readonly planId?: string; readonly skipRefused: boolean },
): Omit<NewTask, 'fit'>[] {
  const taking = plan.hosts.filter((host) => host.refused === undefined);
  const refused = refusedIn(plan.hosts);
  if (request.planId !== plan.planId) throw knownError('PLAN_CHANGED', { what: describePlan(plan) });
  if (taking.length === 0 || (refused !== undefined && !request.skipRefused)) {
    throw knownError('PLAN_REFUSED', { what: refused ?? 'every host' });
  }
  return taking.map(({ hostId, host, disk, twins, wave = 1, delta, finishers, luksSecrets }) => ({
    ...{ hostId, host, disk: disk!, wave, isHashing: delta?.hash === true },
    ...(twins === undefined ? {} : { twins: twins.map(toTwin) }),
    ...(finishers === undefined ? {} : { finishers }),
    ...(luksSecrets === undefined ? {} : { luksSecrets: luksSecrets.names }),
  }));
}

function toTwin({ disk, source }: NonNullable<PlanHost['twins']>[number]): Twin {
  return source === undefined ? { disk } : { disk, source };
}

/** What differs between the plan that was shown and the present one, for PLAN_CHANGED. */
function describePlan(plan: DeployPlan): string {
  const refused = plan.hosts.filter((host) => host.refused !== undefined).length;
  return `it is now ${plan.image}@${plan.version} to ${plan.hosts.length - refused} hosts, ${refused} refused`;
}

function inWaves(hosts: readonly PlanHost[], sizes: DeployRequest['waves']): PlanHost[] {
  if (sizes === undefined) return [...hosts];
  const waves = assignWaves(sizes, hosts.filter((host) => host.refused === undefined).length);
  return hosts.map((host) => (host.refused === undefined ? { ...host, wave: waves.shift()! } : host));
}

/** Where the volumes lie on the disk of a host that the plan does not refuse; undefined: as on the source. */
export function fitOf(
  grow: GrowRule | undefined,
  { head }: Pick<Manifest, 'head'>,
  disk: DiskIdentity,
): Fit | undefined {
  const { fit } = fitTo(head, disk.sizeBytes, grow ?? 'none');
  return fit === undefined || isAsOnSource(head, fit) ? undefined : fit;
}

function withFinishers(host: PlanHost, finishers: FinisherStep[]): PlanHost {
  return host.refused !== undefined || finishers.length === 0 ? host : { ...host, finishers };
}

function withSecrets(host: PlanHost, choose: () => PlanHost['luksSecrets']): PlanHost {
  if (host.refused !== undefined) return host;
  try {
    const luksSecrets = choose();
    return luksSecrets === undefined ? host : { ...host, luksSecrets };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { ...host, refused: error.toBody() };
  }
}

function planHost(host: HostView, image: PlanImage, request: DeployRequest): PlanHost {
  const { hostId, name, presence } = host;
  const base = { hostId, host: name, presence };
  try {
    const rule = ruleFor(host, request.disk);
    const disks = chooseTargets(host, image, request);
    const others = judgeDisks(host.inventory!.disks, rule?.rule).filter(({ disk }) => !disks.includes(disk));
    const shown = {
      ...base,
      ...(rule === undefined ? {} : { rule }),
      ...(others.length === 0 ? {} : { otherDisks: others.map(describeJudged) }),
    };
    const layouts = layoutsOf(image.manifest.head);
    if (layouts.length > 1) return { ...shown, ...planParts(host, disks, image, request) };
    const unfit = disks.flatMap((disk) => {
      const refused = whyUnfit(name, disk, image);
      return refused === undefined ? [] : { disk, refused };
    });
    const [first, ...twins] = disks.filter((disk) => unfit.every((one) => one.disk !== disk));
    if (first === undefined) return { ...shown, ...nameDisk(unfit[0]!.disk), refused: unfit[0]!.refused };
    const unfitDisks = unfit.map(({ disk, refused }) => ({ disk: identityOf(disk), diskPath: disk.path, refused }));
    return {
      ...shown,
      ...planDisk(first, image, request),
      ...(twins.length === 0 ? {} : { twins: twins.map((disk) => planDisk(disk, image, request)) }),
      ...(unfitDisks.length === 0 ? {} : { unfitDisks }),
    };
  } catch (error) {
    if (!(error instanceof KnownError) || error.code === 'DISK_RULE_INVALID') throw error;
    return { ...base, refused: error.toBody() };
  }
}

function chooseTargets(host: HostView, { manifest }: PlanImage, request: DeployRequest): Disk[] {
  const layouts = layoutsOf(manifest.head);
  if (layouts.length > 1) return mapDisks(layouts, disksOfFree(host), ruleFor(host, request.disk)?.rule, host.name);
  return chooseTaskDisks(host, request.disk);
}

/** The parts of an image of several disks, each on its own disk: all of them, or none. */
function planParts(host: HostView, disks: readonly Disk[], image: PlanImage, request: DeployRequest) {
  const parts = disks.map((disk, i) => ({ disk, part: { ...image, manifest: partOfDisk(image.manifest, i) } }));
  const to = sayTo(parts.map(({ disk, part }) => (misfitOf(disk, part) === undefined ? undefined : disk.sizeBytes)));
  const refusals = parts.flatMap(({ disk, part }) => {
    const refused = whyUnfit(host.name, disk, part, to);
    return refused === undefined ? [] : { disk, refused };
  });
  // What no command mends is told first.
  const unfit = refusals.find(({ refused }) => refused.code !== 'IMAGE_NEEDS_FIT') ?? refusals[0];
  if (unfit !== undefined) return { ...nameDisk(unfit.disk), refused: unfit.refused };
  const [first, ...twins] = parts.map(({ disk, part }) => planDisk(disk, part, request));
  return { ...first!, twins: twins.map((twin, i) => ({ ...twin, source: i + 1 })) };
}

/** A disk in a plan, and what is on it. */
export function nameDisk(disk: Disk) {
  return { disk: identityOf(disk), diskPath: disk.path, lost: disk.content || 'nothing known' };
}

/** What is done to a disk that can take the image. */
function planDisk(disk: Disk, { manifest }: PlanImage, { grow }: DeployRequest) {
  const fit = fitOf(grow, manifest, disk);
  if (fit !== undefined) {
    return { ...nameDisk(disk), fit: 'fitted' as const, fitted: changesOf(manifest.head.volumes, fit) };
  }
  const isLarger = disk.sizeBytes > manifest.head.layout.diskBytes;
  return { ...nameDisk(disk), fit: isLarger ? ('larger' as const) : ('exact' as const) };
}

function misfitOf(disk: Disk, { manifest }: PlanImage) {
  return fitTo(manifest.head, disk.sizeBytes, 'none').misfit;
}

/** `to`: what `image fit` would be told. */
function whyUnfit(host: string, disk: Disk, planImage: PlanImage, to = String(disk.sizeBytes)) {
  const { image, version, manifest } = planImage;
  const { layout } = manifest.head;
  const shown = `${disk.path} ${describeDisk(disk)}`;
  if (disk.sectorBytes !== layout.sectorBytes) {
    const sizes = { have: disk.sectorBytes, need: layout.sectorBytes };
    return knownError('DISK_SECTOR_SIZE', { host, disk: shown, ...sizes }).toBody();
  }
  const misfit = misfitOf(disk, planImage);
  if (misfit === undefined) return undefined;
  const sizes = { host, disk: shown, haveBytes: disk.sizeBytes, needBytes: misfit.leastBytes };
  if (layout.label === 'none') return knownError('DISK_TOO_SMALL', sizes).toBody();
  const { least } = planShrink(manifest, disk.sizeBytes);
  if (least === undefined)
    return knownError('IMAGE_NEEDS_FIT', { ...sizes, image, version: version.version, to }).toBody();
  return knownError('FIT_IMPOSSIBLE', { ...sizes, needBytes: least.bytes, why: least.why }).toBody();
}

/** What is named must be able to grow, on whatever disk. Throws GROW_IMPOSSIBLE. */
function requireGrowable({ grow = 'none' }: DeployRequest, { image, manifest }: PlanImage): void {
  const why = whyNotGrown(manifest.volumes, grow);
  if (why === undefined && (typeof grow !== 'number' || manifest.head.moreDisks === undefined)) return;
  const what = typeof grow === 'number' ? `Partition ${grow}` : grow;
  throw knownError('GROW_IMPOSSIBLE', {
    what,
    image,
    why: why ?? 'it has several disks: which one is meant is not clear',
  });
}

/** Hash of everything that would be written, and where. */
function planIdOf(manifestId: string, hosts: readonly PlanHost[], isNewIds: boolean): string {
  const targets = hosts.map(
    ({ hostId, disk, refused, fitted, finishers, luksSecrets, twins = [], unfitDisks = [] }) => {
      const more = [
        ...(luksSecrets === undefined ? [] : [['luks-secrets', ...luksSecrets.names]]),
        ...twins.map((twin) => [twin.disk, twin.fitted ?? null, twin.source ?? null]),
        ...unfitDisks.map((unfit) => [unfit.disk, unfit.refused.code]),
      ];
      return [hostId, disk ?? null, refused?.code ?? null, fitted ?? null, finishers ?? null, ...more];
    },
  );
  return createHash('sha256')
    .update(canonicalJson([manifestId, targets, ...(isNewIds ? ['new-ids'] : [])]))
    .digest('hex')
    .slice(0, 16);
}

function estimate(
  request: DeployRequest,
  version: VersionView,
  hosts: readonly HostView[],
  configMaxMbit: number | undefined,
): { seconds: number; because: string } {
  const { mbit, because } = paceOf(request, hosts, configMaxMbit);
  const copies = request.mode === 'unicast' ? Math.max(1, hosts.length) : 1;
  const sendSeconds = (version.storedBytes * 8 * copies) / (mbit * 1e6 * WIRE_SHARE);
  const readSeconds = request.verify === 'full' ? version.usedBytes / READ_BYTES_PER_SECOND : 0;
  const wire = `${Math.round(WIRE_SHARE * 100)} % of ${mbit} Mbit/s (${because})`;
  const sending = `${copies > 1 ? `${copies} copies` : 'one pass'} at ${wire}`;
  const reading = readSeconds > 0 ? `, then reading back at an assumed ${READ_BYTES_PER_SECOND / 1e6} MB/s` : '';
  return { seconds: Math.ceil(sendSeconds + readSeconds), because: `${sending}${reading}` };
}

/** The slowest of the links that are known and of the caps; a usual link when nothing is known. */
export function paceOf(request: DeployRequest, hosts: readonly HostView[], configMaxMbit: number | undefined): Pace {
  const paces: Pace[] = [];
  if (request.maxMbit !== undefined) paces.push({ mbit: request.maxMbit, because: 'the rate asked for' });
  if (configMaxMbit !== undefined) paces.push({ mbit: configMaxMbit, because: 'the cap of the config' });
  for (const { name, inventory } of hosts) {
    if (inventory?.linkMbit !== undefined) paces.push({ mbit: inventory.linkMbit, because: `the link of ${name}` });
  }
  const usual: Pace = { mbit: USUAL_LINK_MBIT, because: 'assumed: no link speed is known' };
  return paces.reduce((slowest, pace) => (pace.mbit < slowest.mbit ? pace : slowest), paces[0] ?? usual);
}
