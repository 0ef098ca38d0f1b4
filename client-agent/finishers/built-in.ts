/** The built-in finishers by name; protocol/finisher.ts says what each may change. */
import type { BuiltInName } from '#protocol/finisher.ts';
import { repairBoot } from './boot.ts';
import { setComputerName } from './computer-name.ts';
import type { Finisher } from './finisher.ts';
import { setHostname } from './hostname.ts';
import { rebuildInitramfs } from './initramfs.ts';
import { resetMachineId } from './machine-id.ts';
import { removeNetworkLeftovers } from './network-leftovers.ts';
import { renewSshHostKeys } from './ssh-host-keys.ts';

export const builtIns: Readonly<Record<BuiltInName, Finisher>> = {
  hostname: setHostname,
  initramfs: rebuildInitramfs,
  boot: repairBoot,
  'computer-name': setComputerName,
  'machine-id': resetMachineId,
  'ssh-host-keys': renewSshHostKeys,
  'network-leftovers': removeNetworkLeftovers,
};
