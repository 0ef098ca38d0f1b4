/** The sentences of the audit log about sessions and tasks. Pure. */
import type { StartPolicy } from '#protocol/admin/deploy-api.ts';
import type { SessionState } from '#protocol/states.ts';
import type { NewSession, SessionRow } from '../db/session-row.ts';
import type { TaskRow } from '../db/task-row.ts';
import type { TaskMove } from './decide-task.ts';
import type { SetAside } from './set-aside.ts';
import type { Straggler } from './straggler.ts';
import type { CableVerdict } from './straggler-watch.ts';

/** `warnings`: of the last report, told when a wipe begins. */
export function sayTaskMove(
  task: TaskRow,
  move: TaskMove,
  holes: number | undefined,
  warnings: readonly string[] = [],
): string {
  const { host } = task;
  if (move.why !== undefined) return move.why;
  const lacking = holes === undefined ? 'its holes' : `${holes} chunk${holes === 1 ? '' : 's'}`;
  switch (move.to) {
    case 'pending':
      return `${host} is waiting`;
    case 'booting':
      return task.state === 'pending' ? `${host} is called` : `${host} is not there any more and is called again`;
    case 'preparing':
      return `${host} checks its disk`;
    case 'ready': {
      if (move.isFruitless === true) return `${host} still lacks ${lacking}`;
      return `${host} is ready and lacks ${lacking}${task.have > 0 ? `, ${task.have} are on its disk` : ''}`;
    }
    case 'receiving':
      return `${host} joins a pass for ${lacking}`;
    case 'repairing':
      return `${host} fetches ${lacking} over HTTP`;
    case 'capturing':
      return `${host} captures its disk`;
    case 'verifying':
      return `${host} reads back what it wrote`;
    case 'finishing':
      // Only a wipe goes there from the check of the disk.
      return task.state === 'preparing'
        ? [
            task.twins === undefined ? `${host} wipes its disk` : `${host} wipes ${1 + task.twins.length} disks`,
            ...warnings,
          ].join('; ')
        : `${host} lays down the partition table`;
    case 'succeeded':
      return `${host} is done`;
    case 'failed':
      return `${host} has failed: ${move.error?.message ?? 'no reason given'}`;
    case 'cancelled':
      return move.error?.code === 'WAVES_STOPPED' ? move.error.message : `${host} is released`;
  }
}

/**
 * `pc-07 writes 11 MB/s, the others 92 MB/s: parked, will be repaired`, or
 * `pc-07 hears 9.6 Mbit/s, 94 Mbit/s are possible: a slow cable, port or network card (in 100 % of the slices …): parked, …`.
 */
export function sayParked(host: string, straggler: Straggler): string {
  if (straggler.cause === 'disk') {
    const { writtenBytesPerSecond, othersBytesPerSecond } = straggler;
    return `${host} writes ${sayRate(writtenBytesPerSecond)}, the others ${sayRate(othersBytesPerSecond)}: parked, will be repaired`;
  }
  const { paceBytesPerSecond, freeBytesPerSecond, waitedPercent, resentPercent } = straggler;
  const rates = `hears ${sayMbit(paceBytesPerSecond)}, ${sayMbit(freeBytesPerSecond)} are possible`;
  const resent = resentPercent > 0 ? ` and ${resentPercent} % was sent again` : '';
  const signs = `in ${waitedPercent} % of the slices the others waited for it, its buffer is empty${resent}`;
  return `${host} ${rates}: a slow cable, port or network card (${signs}): parked, will be repaired`;
}

/** Whether parking hosts for their cables has helped. */
export function sayVerdict(hosts: readonly string[], verdict: CableVerdict): string {
  const { hasHelped, beforeBytesPerSecond, nowBytesPerSecond } = verdict;
  const rates = `${sayMbit(nowBytesPerSecond)} instead of ${sayMbit(beforeBytesPerSecond)}`;
  if (hasHelped) return `Without ${hosts.join(', ')} the cast goes at ${rates}`;
  return `Without ${hosts.join(', ')} the cast is no quicker (${rates}): nobody else is parked for a cable in it`;
}

/** Why a cast begins without a host that is there. */
export function saySetAside(why: string, { withSeconds, withoutSeconds }: SetAside): string {
  const times = `${Math.ceil(withoutSeconds)} s instead of ${Math.ceil(withSeconds)} s`;
  return `${why}: the cast takes ${times} without it; set aside, is served afterwards`;
}

export function sayDropped(host: string): string {
  return `${host} did not answer udp-sender and was dropped from the cast: it says what it lacks, will be repaired`;
}

/** In the units of a network: what the wire carries for the admin's data. */
export function sayMbit(bytesPerSecond: number): string {
  const mbit = (bytesPerSecond * 8) / 1e6;
  return `${mbit >= 10 ? Math.round(mbit) : mbit.toFixed(1)} Mbit/s`;
}

/** In the units of the CLI: 1 MB is 10⁶ bytes. */
function sayRate(bytesPerSecond: number): string {
  const mega = bytesPerSecond / 1e6;
  return `${mega >= 10 ? Math.round(mega) : mega.toFixed(1)} MB/s`;
}

/** What a session is to do, up to its hosts. */
export function sayOrder({ kind, image, version, request, tasks }: NewSession): string {
  if (kind === 'capture') return `captures ${image} from`;
  if (kind === 'wipe') return tasks.some(({ twins }) => twins !== undefined) ? 'wipes disks of' : 'wipes a disk of';
  const what = `${image}@${version}`;
  return 'audit' in request ? `compares with ${what} the disks of` : `deploys ${what} to`;
}

export function saySessionMove(session: SessionRow, to: SessionState, succeeded: number, failed: number): string {
  const name = `Session ${session.sessionId}`;
  switch (to) {
    case 'planned':
      return `${name} is planned`;
    case 'gathering':
      return session.wave === 1 ? `${name} gathers its hosts` : `${name} gathers the hosts of wave ${session.wave}`;
    case 'capturing':
      return `${name} captures ${session.image}`;
    case 'casting':
      return `${name} begins pass ${session.passes + 1}`;
    case 'repairing':
      return `${name} repairs what hosts lack`;
    case 'finishing':
      return `${name} finishes`;
    case 'completed':
      return `${name} is completed: ${succeeded} succeeded, ${failed} failed`;
    case 'failed':
      return `${name} has failed: no host succeeded, ${failed} failed`;
    case 'cancelled':
      return `${name} is cancelled`;
  }
}

/** That the start policy was changed. */
export function sayStart(sessionId: number, { when, count = 1, deadlineS, atLeast = 1 }: StartPolicy): string {
  const wanted = { all: 'when all hosts are ready', now: 'with whoever is ready', count: `when ${count} are ready` }[
    when
  ];
  const deadline = deadlineS === undefined ? '' : `, or in ${deadlineS} s if at least ${atLeast} are ready`;
  return `Session ${sessionId} is to start ${wanted}${deadline}`;
}

/** Why no further wave begins. */
export function sayWavesStopped(
  wave: number,
  facts: { readonly failed: number; readonly stopAtFailures: number },
): string {
  const { failed, stopAtFailures } = facts;
  if (failed < stopAtFailures) return `no host of wave ${wave} is done`;
  const hosts = failed === 1 ? '1 host has failed' : `${failed} hosts have failed`;
  return `${hosts} up to wave ${wave} (the limit is ${stopAtFailures})`;
}
