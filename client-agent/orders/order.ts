/** What an order asks for: whether another one asks for the same, and how it is told on the machine's screen. Pure. */
import type { DeployOrder, Order } from '#protocol/agent-api.ts';
import type { DiskIdentity } from '#protocol/disk.ts';
import { disksOf } from '#protocol/twin.ts';

/** Whether the new order asks for just what the old one did, so that the work goes on. */
export function isSameWork(a: Order, b: Order): boolean {
  if (a.kind === 'deploy' && b.kind === 'deploy') {
    return (
      a.taskId === b.taskId &&
      a.manifestId === b.manifestId &&
      a.step === b.step &&
      a.round === b.round &&
      a.cast?.castId === b.cast?.castId &&
      a.probe?.nonce === b.probe?.nonce
    );
  }
  // A capture that is ordered again must begin again: only its rev tells.
  return a.kind === b.kind && a.rev === b.rev;
}

/** One line for whoever stands before the machine. */
export function describeOrder(order: Order): string {
  switch (order.kind) {
    case 'wait':
      return 'waiting for orders';
    case 'capture':
      return `session ${order.sessionId}: capturing ${order.disk.model} ${order.disk.serial}`;
    case 'audit':
      return `session ${order.sessionId}: comparing ${disksOf(order).map(nameOf).join(', ')} with the image`;
    case 'check':
      return order.step === 'listen' ? 'listening to a multicast probe' : 'measuring link and disks';
    case 'wipe':
      return `session ${order.sessionId}: ${order.step === 'check' ? 'checking' : 'wiping'} ${[order.disk, ...(order.moreDisks ?? [])].map(nameOf).join(', ')}`;
    case 'deploy':
      return `session ${order.sessionId}: ${stepText[order.step]} (${disksOf(order).map(nameOf).join(', ')})`;
    case 'release':
      return { reboot: 'done here: rebooting', poweroff: 'done here: switching off', stay: 'done here: staying on' }[
        order.action
      ];
  }
}

function nameOf({ model, serial }: DiskIdentity): string {
  return `${model} ${serial}`;
}

const stepText: Readonly<Record<DeployOrder['step'], string>> = {
  prepare: 'checking the disk',
  hold: 'ready, waiting for the others',
  receive: 'receiving the image',
  repair: 'fetching what is lacking',
  verify: 'reading the disk back',
  finish: 'making the disk bootable',
};
