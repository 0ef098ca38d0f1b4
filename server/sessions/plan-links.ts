/** What a plan says of hosts whose links are too slow for the cast: they are served after the others. Pure. */
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { DeployPlan, PlanHost } from '#protocol/admin/plan-api.ts';
import { upperMedian } from './host-track.ts';
import { bytesPerSecondOf, USUAL_LINK_MBIT } from './pass-cost.ts';
import { chooseSetAside } from './set-aside.ts';

export interface KnownLinks {
  /** Cap of the config. */
  readonly maxMbit?: number | undefined;
  readonly parkDelayPercent: number;
  /** The best that passes have shown, in stored bytes a second; undefined: there was none. */
  readonly seenBytesPerSecond: number | undefined;
}

/** The plan with the hosts that a cast would begin without, as things are now; it is asked again when the cast begins. */
export function withSetAside(
  plan: DeployPlan,
  request: DeployRequest,
  hosts: readonly HostView[],
  known: KnownLinks,
): DeployPlan {
  // Whoever is in a wave of its own holds nobody up: with waves it is only asked when each begins.
  if (request.audit === true || request.waves !== undefined) return plan;
  if (request.mode === 'unicast' || request.mode === 'oneway') return plan;
  const linkOf = new Map(hosts.map(({ hostId, inventory }) => [hostId, inventory?.linkMbit]));
  const taking = plan.hosts.filter(({ refused }) => refused === undefined);
  const links = taking.map(({ hostId }) => linkOf.get(hostId));
  const caps = [request.maxMbit, known.maxMbit].filter((cap) => cap !== undefined);
  const promisedMbit = Math.min(upperMedian(links.map((mbit) => mbit ?? USUAL_LINK_MBIT)), ...caps);
  const found = chooseSetAside(
    {
      hostBytesPerSecond: links.map((mbit) => mbit && bytesPerSecondOf(mbit)),
      castBytes: plan.storedBytes,
      wire: {
        seenBytesPerSecond: known.seenBytesPerSecond,
        promisedBytesPerSecond: bytesPerSecondOf(promisedMbit),
      },
    },
    known,
  );
  if (found === undefined) return plan;
  const { withSeconds, withoutSeconds } = found;
  const aside = new Map(found.hosts.map((i) => [taking[i]!.hostId, links[i]!]));
  const named = taking.filter(({ hostId }) => aside.has(hostId)).map(({ host }) => host);
  return {
    ...plan,
    hosts: plan.hosts.map((host): PlanHost => {
      const linkMbit = aside.get(host.hostId);
      return linkMbit === undefined ? host : { ...host, setAside: { linkMbit, withSeconds, withoutSeconds } };
    }),
    expectedSeconds: plan.expectedSeconds + Math.ceil(withoutSeconds),
    expectedBecause: `the others first, in ${Math.ceil(withoutSeconds)} s; then ${named.join(', ')}: ${plan.expectedBecause}`,
  };
}
