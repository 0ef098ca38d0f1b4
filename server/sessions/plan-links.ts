/** What a plan says of hosts whose links are too slow for the cast: they are served after the others. Pure. */
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan, PlanHost } from '#protocol/admin/plan-api.ts';
import { upperMedian } from './host-track.ts';
import { bytesPerSecondOf, USUAL_LINK_MBIT } from './pass-cost.ts';
import { chooseSetAside } from './set-aside.ts';

export interface KnownLinks {
  /** Caps of the config: of one cast, and of all casts of the interface. */
  readonly maxMbit?: number | undefined;
  readonly interfaceMbit?: number | undefined;
  readonly parkDelayPercent: number;
  /** The best that passes have shown, in stored bytes a second; undefined: there was none. */
  readonly seenBytesPerSecond: number | undefined;
}

/** The plan with the hosts that a cast would begin without, as things are now; it is asked again when the cast of each wave begins. */
export function withSetAside(
  plan: DeployPlan,
  request: DeployRequest,
  hosts: readonly HostView[],
  known: KnownLinks,
): DeployPlan {
  if (request.audit === true || request.mode === 'unicast' || request.mode === 'oneway') return plan;
  const linkOf = new Map(hosts.map(({ hostId, inventory }) => [hostId, inventory?.linkMbit]));
  const taking = plan.hosts.filter(({ refused }) => refused === undefined);
  const waves = [...Map.groupBy(taking, ({ wave = 1 }) => wave).values()];
  const asides = waves.map((wave) => asideIn(wave, linkOf, plan.storedBytes, request, known));
  const aside = new Map(asides.flatMap((one) => [...one]));
  if (aside.size === 0) return plan;
  const others = asides.flatMap((one) => [...one.values()].slice(0, 1).map(({ withoutSeconds }) => withoutSeconds));
  const seconds = Math.ceil(others.reduce((sum, one) => sum + one, 0));
  const named = taking.filter(({ hostId }) => aside.has(hostId)).map(({ host }) => host);
  const where = waves.length > 1 && others.length === 1 ? ' of its wave' : waves.length > 1 ? ' of their waves' : '';
  return {
    ...plan,
    hosts: plan.hosts.map((host): PlanHost => {
      const setAside = aside.get(host.hostId);
      return setAside === undefined ? host : { ...host, setAside };
    }),
    expectedSeconds: plan.expectedSeconds + seconds,
    expectedBecause: `the others${where} first, in ${seconds} s; then ${named.join(', ')}: ${plan.expectedBecause}`,
  };
}

/** Of the hosts that one cast would go to those that it begins without, by host id. */
function asideIn(
  taking: readonly PlanHost[],
  linkOf: ReadonlyMap<number, number | undefined>,
  castBytes: number,
  { maxMbit }: DeployRequest,
  known: KnownLinks,
): Map<number, NonNullable<PlanHost['setAside']>> {
  const links = taking.map(({ hostId }) => linkOf.get(hostId));
  const caps = [maxMbit, known.maxMbit, known.interfaceMbit].filter((cap) => cap !== undefined);
  const promisedMbit = Math.min(upperMedian(links.map((mbit) => mbit ?? USUAL_LINK_MBIT)), ...caps);
  const { seenBytesPerSecond } = known;
  const found = chooseSetAside(
    {
      hostBytesPerSecond: links.map((mbit) => mbit && bytesPerSecondOf(mbit)),
      castBytes,
      wire: { seenBytesPerSecond, promisedBytesPerSecond: bytesPerSecondOf(promisedMbit) },
    },
    known,
  );
  const { hosts = [], withSeconds = 0, withoutSeconds = 0 } = found ?? {};
  return new Map(hosts.map((i) => [taking[i]!.hostId, { linkMbit: links[i]!, withSeconds, withoutSeconds }]));
}
