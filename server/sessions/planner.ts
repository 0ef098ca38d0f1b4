/** Makes plans from what is there now: the image in the store, the hosts and what they are doing. Changes nothing. */

import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { VersionView } from '#protocol/admin/image-api.ts';
import type { DeployPlan } from '#protocol/admin/plan-api.ts';
import type { WipePlan, WipeRequest } from '#protocol/admin/wipe-api.ts';
import { identityOf } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import type { Fit } from '#protocol/fit.ts';
import type { GrowRule } from '#protocol/grow-rule.ts';
import { partOfDisk } from '#protocol/source-disk.ts';
import { checkTemplate } from '#protocol/template.ts';
import type { Twin } from '#protocol/twin.ts';
import type { Config } from '../config.ts';
import type { CastTable } from '../db/cast-table.ts';
import type { NewTask } from '../db/task-row.ts';
import type { Catalog } from '../images/catalog.ts';
import type { ChunkStore } from '../images/chunk-store.ts';
import type { Finishers } from '../inventory/finishers.ts';
import type { Hosts } from '../inventory/hosts.ts';
import type { Secrets } from '../inventory/secrets.ts';
import { interfaceCap } from '../transfer/interface-rate.ts';
import type { DeltaAdvisor } from './delta-advisor.ts';
import { chooseTaskDisks, fitOf, makeDeployPlan, tasksOfPlan } from './deploy-plan.ts';
import { bestPaceOf, EARLIER_CASTS } from './pass-cost.ts';
import { withSetAside } from './plan-links.ts';
import type { RunningSessions } from './running-sessions.ts';
import { waveProblem } from './waves.ts';
import { makeWipePlan } from './wipe-plan.ts';

export interface PlannerOptions {
  readonly config: Config;
  readonly hosts: Pick<Hosts, 'get' | 'resolve'>;
  readonly catalog: Pick<Catalog, 'list' | 'resolve' | 'loadManifest'>;
  readonly store: Pick<ChunkStore, 'locate'>;
  readonly finishers: Pick<Finishers, 'chosenFor'>;
  readonly secrets: Pick<Secrets, 'requireKnown' | 'choices'>;
  readonly delta: Pick<DeltaAdvisor, 'advise'>;
  readonly casts: Pick<CastTable, 'latest'>;
  readonly network: { readonly interface: string };
  readonly running: Pick<RunningSessions, 'sessionOf'>;
}

export class Planner {
  #options: PlannerOptions;
  #bytesPerChunk = new Map<string, number>();

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** Throws IMAGE_UNKNOWN, VERSION_UNKNOWN, HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY, PLAN_EMPTY, DISK_RULE_INVALID, WAVES_INVALID, GROW_IMPOSSIBLE, IMAGE_DAMAGED, FINISHER_UNKNOWN, FINISHERS_AMBIGUOUS, TEMPLATE_INVALID, SECRET_UNKNOWN. */
  async plan(request: DeployRequest): Promise<DeployPlan> {
    const { catalog, store, hosts, config, finishers } = this.#options;
    const { image, version } = catalog.resolve(request.image);
    const chosen = hosts.resolve(request.hosts, request.groups);
    if (chosen.length === 0) throw knownError('PLAN_EMPTY');
    if (request.mode === 'oneway' && (request.maxMbit ?? config.cast.maxMbit) === undefined) {
      throw knownError('ONEWAY_NEEDS_RATE');
    }
    const problem = request.waves && waveProblem(request.waves, request.verify);
    if (problem !== undefined) throw knownError('WAVES_INVALID', { waves: request.waves!.join(','), problem });
    const manifest = await catalog.loadManifest(version.manifestId);
    await this.#options.secrets.requireKnown(request.luksSecrets);
    const secretsOf = await this.#secretsFor(request, image, manifest.head.containers?.length);
    // A chunk that is known to be gone is told before any disk is touched, not after all of them are half written.
    const { packIds } = await store.locate(manifest.ids);
    const count = packIds.reduce((sum, packId) => (packId < 0 ? sum + 1 : sum), 0);
    if (count > 0) throw knownError('IMAGE_DAMAGED', { image: request.image, count });
    const withSessions = chosen.map((host) => this.#withSession(host));
    if (request.hostname !== undefined) checkTemplate(request.hostname, '--hostname');
    const finishersOf = ({ name, groups }: HostView) => {
      if (request.audit === true) return [];
      return finishers.chosenFor({ session: request.finishers, host: name, groups, image });
    };
    const planImage = { image, version, manifest };
    const plan = makeDeployPlan(request, planImage, withSessions, config.cast.maxMbit, { finishersOf, secretsOf });
    const seenBytesPerSecond = bestPaceOf(this.#options.casts.latest(EARLIER_CASTS));
    const interfaceMbit = interfaceCap(this.#options.network.interface, config.cast);
    const linked = withSetAside(plan, request, withSessions, { ...config.cast, interfaceMbit, seenBytesPerSecond });
    return this.#options.delta.advise(request, linked, withSessions, manifest);
  }

  /** The tasks of what the admin saw, each with where the volumes lie on its disk. Throws PLAN_CHANGED, PLAN_REFUSED. */
  async tasksOf(
    plan: DeployPlan,
    accepted: { readonly planId?: string; readonly skipRefused: boolean },
    grow: GrowRule | undefined,
  ): Promise<NewTask[]> {
    const tasks = tasksOfPlan(plan, accepted);
    const manifest = await this.#options.catalog.loadManifest(plan.manifestId);
    const withFit = <Target extends Omit<Twin, 'fit'>>(target: Target): Target & { fit?: Fit } => {
      const fit = fitOf(grow, partOfDisk(manifest, target.source ?? 0), target.disk);
      return fit === undefined ? target : { ...target, fit };
    };
    return tasks.map(({ twins, ...task }) => ({
      ...withFit(task),
      ...(twins === undefined ? {} : { twins: twins.map(withFit) }),
    }));
  }

  /** Throws HOST_UNKNOWN, GROUP_UNKNOWN, GROUP_EMPTY, PLAN_EMPTY, DISK_RULE_INVALID. */
  planWipe(request: WipeRequest): WipePlan {
    const chosen = this.#options.hosts.resolve(request.hosts, request.groups);
    if (chosen.length === 0) throw knownError('PLAN_EMPTY');
    const withSessions = chosen.map((host) => this.#withSession(host));
    return makeWipePlan(request, withSessions);
  }

  /** Throws HOST_UNKNOWN, HOST_PENDING, HOST_BUSY, HOST_NEVER_SEEN, DISK_NONE, DISK_AMBIGUOUS, DISK_RULE_INVALID. */
  planCapture(ref: string, rule: string | undefined): NewTask {
    const host = this.#withSession(this.#options.hosts.get(ref));
    const [disk, ...others] = chooseTaskDisks(host, rule).map(identityOf);
    const twins = others.map((other, i) => ({ disk: other, source: i + 1 }));
    return { hostId: host.hostId, host: host.name, disk: disk!, ...(twins.length === 0 ? {} : { twins }) };
  }

  /** Stored bytes of an average chunk of an image version. */
  averageChunk(manifestId: string): number {
    const known = this.#bytesPerChunk.get(manifestId);
    if (known !== undefined) return known;
    const versions: VersionView[] = this.#options.catalog.list().flatMap((image) => image.versions);
    const version = versions.find((one) => one.manifestId === manifestId);
    const average = version === undefined || version.chunks === 0 ? 0 : version.storedBytes / version.chunks;
    this.#bytesPerChunk.set(manifestId, average);
    return average;
  }

  /** What opens the containers of an image on each host. An image without any need not ask what secrets there are. */
  async #secretsFor({ luksSecrets }: DeployRequest, image: string, count: number | undefined) {
    if (count === undefined) return () => undefined;
    const choices = await this.#options.secrets.choices();
    return ({ name, groups }: HostView) => {
      const choice = choices.chosenFor({ session: luksSecrets, host: name, groups, image });
      if (choice === undefined) throw knownError('LUKS_SECRET_MISSING', { host: name, image, count });
      return { ...choice, names: [...choice.names] };
    };
  }

  #withSession(host: HostView): HostView {
    const session = this.#options.running.sessionOf(host.hostId);
    return session === undefined ? host : { ...host, session };
  }
}
