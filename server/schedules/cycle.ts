/**
 * Which hosts a run takes. A cycle is one round of all hosts of a schedule with one version of its image; a window may cut
 * it into several runs. Pure.
 */
import type { ScheduleRun } from '#protocol/admin/schedule-api.ts';

export interface CycleFacts {
  /** Hosts of the schedule as they are now, in their order. */
  readonly targets: readonly { readonly hostId: number; readonly name: string }[];
  /** The last run that had a session. */
  readonly before?: Pick<ScheduleRun, 'leftOver' | 'manifestId'> | undefined;
  /** What the image is now. */
  readonly manifestId: string;
  /** Hosts that have succeeded since this time of the timetable: they are done in the new cycle already. */
  readonly doneHostIds: ReadonlySet<number>;
}

export interface CycleChoice {
  /** Only what the run before left over. */
  readonly isRest: boolean;
  /** Names. */
  readonly hosts: readonly string[];
}

/**
 * What the window left over comes first, and by itself; hosts that were done wait until it is done too. A new version of the
 * image begins a new cycle, because those that were done need it as well.
 */
export function chooseHosts({ targets, before, manifestId, doneHostIds }: CycleFacts): CycleChoice {
  const left = new Set(before?.manifestId === manifestId ? before.leftOver.map((one) => one.hostId) : []);
  const rest = targets.filter((host) => left.has(host.hostId));
  const taken = rest.length > 0 ? rest : targets.filter((host) => !doneHostIds.has(host.hostId));
  return { isRest: rest.length > 0, hosts: taken.map((host) => host.name) };
}
