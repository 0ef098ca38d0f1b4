/** Advises whether hosts should hash their disks: brings together what the database, the store and the hosts' inventories know. Changes nothing. */

import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { VersionView } from '#protocol/admin/image-api.ts';
import type { DeployPlan, PlanHost } from '#protocol/admin/plan-api.ts';
import { type Disk, type DiskIdentity, identityOf, isSameDisk } from '#protocol/disk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { Manifest } from '#protocol/manifest.ts';
import { disksOf } from '#protocol/twin.ts';
import type { Config } from '../config.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { GivenDisk, TaskHistory } from '../db/task-history.ts';
import type { Catalog } from '../images/catalog.ts';
import type { Hosts } from '../inventory/hosts.ts';
import { chooseDelta, type DeltaChoice, type DeltaHost, isRehashWorth } from './delta-choice.ts';
import { paceOf } from './deploy-plan.ts';
import { type DiskKnowledge, knowledgeOf, lastGiven, likenessOf } from './disk-knowledge.ts';
import { type DiskSpeed, speedOf } from './disk-speed.ts';
import type { LiveSession, LiveTask } from './live-session.ts';
import { bytesPerSecondOf, EARLIER_CASTS, measurePasses, USUAL_LINK_MBIT } from './pass-cost.ts';

export interface DeltaAdvisorOptions {
  readonly config: Config;
  readonly casts: Pick<CastTable, 'latest'>;
  readonly history: Pick<TaskHistory, 'givenDisks'>;
  readonly hosts: Pick<Hosts, 'byId'>;
  readonly catalog: Pick<Catalog, 'list' | 'loadManifest'>;
}

/** So many of a host's tasks are looked at. */
const MOST_TASKS = 10;

export class DeltaAdvisor {
  #options: DeltaAdvisorOptions;

  constructor(options: DeltaAdvisorOptions) {
    this.#options = options;
  }

  /** The plan with both estimates and the choice for each host that takes part. */
  async advise(
    request: DeployRequest,
    plan: DeployPlan,
    hosts: readonly HostView[],
    wanted: Manifest,
  ): Promise<DeployPlan> {
    const taking = hosts.filter((host) => plan.hosts.some((one) => one.hostId === host.hostId && !one.refused));
    const manifests = new Map<string, Promise<Manifest | undefined>>();
    const known: DeltaHost[] = [];
    for (const host of taking) {
      const { disk, twins = [] } = plan.hosts.find((one) => one.hostId === host.hostId)!;
      const disks = disksOf({ disk: disk!, twins });
      known.push(leastKnown(await Promise.all(disks.map((one) => this.#knownDisk(host, one, wanted, manifests)))));
    }
    const { mbit } = paceOf(request, taking, this.#options.config.cast.maxMbit);
    const { policy, mode, verify } = { policy: request.delta ?? 'auto', ...request };
    const { usedBytes: plainBytes, storedBytes } = plan;
    const seen = measurePasses(this.#options.casts.latest(EARLIER_CASTS)).castBytesPerSecond;
    // Links may promise more than the network between them and the server gives.
    const wireBytesPerSecond = Math.min(bytesPerSecondOf(mbit), seen ?? Number.POSITIVE_INFINITY);
    const choice = chooseDelta({ policy, mode, verify, plainBytes, storedBytes, wireBytesPerSecond, hosts: known });
    return withChoice(plan, taking, choice);
  }

  /** Whether a task whose agent begins anew in mid-session is told to hash; undefined: as it was told before. */
  mayHash(live: LiveSession, task: LiveTask): boolean | undefined {
    const { row } = task;
    if (live.row.kind !== 'deploy' || row.have === 0) return undefined;
    const version = this.#versionOf(live.row.manifestId!);
    if (version === undefined || version.chunks === 0) return undefined;
    const inventory = this.#options.hosts.byId(row.hostId)?.inventory;
    const rows = this.#options.history.givenDisks(row.hostId, MOST_TASKS);
    const seen = measurePasses([...this.#options.casts.latest(EARLIER_CASTS), ...live.casts]).castBytesPerSecond;
    return isRehashWorth({
      policy: live.row.request.delta ?? 'auto',
      verify: live.row.request.verify,
      haveShare: row.have / version.chunks,
      plainBytes: version.usedBytes,
      storedBytes: version.storedBytes,
      wireBytesPerSecond: seen ?? bytesPerSecondOf(inventory?.linkMbit ?? USUAL_LINK_MBIT),
      speed: slowestOf(
        disksOf(row).map((identity) => {
          const disk = inventory?.disks.find((one) => isSameDisk(identityOf(one), identity));
          return speedOf(disk ?? { transport: '' }, knowledgeOf(identity, rows, undefined).readBytesPerSecond);
        }),
      ),
    });
  }

  async #knownDisk(
    host: HostView,
    identity: DiskIdentity,
    wanted: Manifest,
    manifests: Map<string, Promise<Manifest | undefined>>,
  ): Promise<DeltaHost> {
    const disk = host.inventory!.disks.find((one: Disk) => isSameDisk(identityOf(one), identity))!;
    const rows = this.#options.history.givenDisks(host.hostId, MOST_TASKS);
    const given = lastGiven(identity, rows);
    const manifest = given === undefined ? undefined : await this.#manifestOf(given.manifestId, manifests);
    const knowledge = knowledgeOf(identity, rows, manifest?.chunkCount);
    const likeness = manifest === undefined ? 0 : likenessOf(manifest, wanted);
    return {
      host: host.name,
      knownShare: knowledge.keptShare * likeness,
      known: sayKnown(knowledge, manifest !== undefined, likeness),
      speed: speedOf(disk, knowledge.readBytesPerSecond),
    };
  }

  /** Each is read once a plan. One that the store has no more is no reason to refuse a plan. */
  #manifestOf(manifestId: string, manifests: Map<string, Promise<Manifest | undefined>>) {
    const known = manifests.get(manifestId);
    if (known !== undefined) return known;
    const reading = this.#options.catalog.loadManifest(manifestId).catch((error: unknown) => {
      if (error instanceof KnownError) return undefined;
      throw error;
    });
    manifests.set(manifestId, reading);
    return reading;
  }

  #versionOf(manifestId: string): VersionView | undefined {
    const versions = this.#options.catalog.list().flatMap((image) => image.versions);
    return versions.find((version) => version.manifestId === manifestId);
  }
}

/** A host with several disks lacks what any of them lacks, and waits for the slowest. */
function leastKnown(disks: readonly DeltaHost[]): DeltaHost {
  const least = disks.reduce((least, disk) => (disk.knownShare < least.knownShare ? disk : least));
  return { ...least, speed: slowestOf(disks.map(({ speed }) => speed)) };
}

function slowestOf(speeds: readonly DiskSpeed[]): DiskSpeed {
  return speeds.reduce((slowest, speed) => (speed.readBytesPerSecond < slowest.readBytesPerSecond ? speed : slowest));
}

function withChoice(plan: DeployPlan, taking: readonly HostView[], choice: DeltaChoice): DeployPlan {
  const estimates = new Map(taking.map((host, i) => [host.hostId, choice.hosts[i]!]));
  const hosts = plan.hosts.map((host): PlanHost => {
    const delta = estimates.get(host.hostId);
    return delta === undefined ? host : { ...host, delta };
  });
  const hashing = choice.hosts.filter(({ hash }) => hash).length;
  if (hashing === 0) return { ...plan, hosts };
  const who = hashing === 1 ? '1 host hashes its disk' : `${hashing} hosts hash their disks`;
  const share = choice.moveShare < 1 ? `about ${percent(choice.moveShare)} of ` : '';
  const expectedBecause = `${who} first, then ${share}${plan.expectedBecause}`;
  return { ...plan, hosts, expectedSeconds: Math.ceil(choice.chosenSeconds), expectedBecause };
}

function sayKnown({ given, keptShare }: DiskKnowledge, isInStore: boolean, likeness: number): string {
  if (given === undefined) return 'nothing is known of its disk';
  const name = nameOf(given);
  if (!isInStore) return `its disk got ${name}, which the store has no more`;
  const held = given.isWhole
    ? `its disk has had ${name} since session ${given.sessionId}`
    : `session ${given.sessionId} left ${percent(keptShare)} of ${name} on its disk`;
  return likeness === 1 ? held : `${held}, of which ${percent(likeness)} is the same in this image`;
}

function nameOf({ image, version }: GivenDisk): string {
  return version === undefined ? image : `${image}@${version}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
