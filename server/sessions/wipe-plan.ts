/** The plan of a wipe: which disks of each host would be lost for good, and which hosts are refused and why. Pure. */
import { createHash } from 'node:crypto';
import type { HostView } from '#protocol/admin/host-api.ts';
import { type PlanHost, refusedIn } from '#protocol/admin/plan-api.ts';
import type { WipePlan, WipeRequest } from '#protocol/admin/wipe-api.ts';
import { describeJudged, judgeDisks, parseDiskRule, rulesOf } from '#protocol/disk-rule.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { canonicalJson } from '#protocol/manifest.ts';
import { disksOf } from '#protocol/twin.ts';
import type { NewTask } from '../db/task-row.ts';
import { chooseTaskDisks, nameDisk } from './deploy-plan.ts';

/** Throws DISK_RULE_INVALID; what only concerns one host is in its `refused`. */
export function makeWipePlan({ disk, method }: WipeRequest, hosts: readonly HostView[]): WipePlan {
  // What is to be lost for good must be said: no rule would mean the only disk.
  if (disk.trim() === '') throw knownError('DISK_RULE_INVALID', { rule: `'${disk}'` });
  for (const rule of rulesOf(disk)) parseDiskRule(rule);
  const planned = hosts.map((host) => planHost(host, disk));
  const targets = planned.map(({ hostId, disk: target, twins = [], refused }) => {
    return [hostId, target ?? null, refused?.code ?? null, ...twins.map((twin) => twin.disk)];
  });
  const hash = createHash('sha256').update(canonicalJson(['wipe', method, targets]));
  return { planId: hash.digest('hex').slice(0, 16), method, hosts: planned };
}

/** The tasks of what the admin saw. Throws PLAN_CHANGED, PLAN_REFUSED. */
export function tasksOfWipe(plan: WipePlan, request: Pick<WipeRequest, 'planId' | 'skipRefused'>): NewTask[] {
  const taking = plan.hosts.filter((host) => host.refused === undefined);
  const refused = plan.hosts.length - taking.length;
  if (request.planId !== plan.planId) {
    const disks = taking.flatMap(({ disk, twins = [] }) => disksOf({ disk: disk!, twins })).length;
    throw knownError('PLAN_CHANGED', { what: `it is now ${disks} disks to wipe, ${refused} hosts refused` });
  }
  if (taking.length === 0 || (refused > 0 && !request.skipRefused)) {
    throw knownError('PLAN_REFUSED', { what: refusedIn(plan.hosts) ?? 'every host' });
  }
  return taking.map(({ hostId, host, disk, twins }) => ({
    ...{ hostId, host, disk: disk! },
    ...(twins === undefined ? {} : { twins: twins.map((twin) => ({ disk: twin.disk })) }),
  }));
}

function planHost(host: HostView, rule: string): PlanHost {
  const base = { hostId: host.hostId, host: host.name, presence: host.presence };
  try {
    const disks = chooseTaskDisks(host, rule);
    const others = judgeDisks(host.inventory!.disks, rule).filter(({ disk }) => !disks.includes(disk));
    const [first, ...twins] = disks.map(nameDisk);
    return {
      ...base,
      ...first!,
      ...(twins.length === 0 ? {} : { twins }),
      rule: { rule, from: 'the session' },
      ...(others.length === 0 ? {} : { otherDisks: others.map(describeJudged) }),
    };
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { ...base, refused: error.toBody() };
  }
}
