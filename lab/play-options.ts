/** What `npm run lab` is asked for on its command line. */
import { parseArgs } from 'node:util';
import { wholeNumber } from './demo-options.ts';
import { LabUsageError } from './lab-program.ts';
import { MAX_LAB_HOSTS } from './topology.ts';
import { MAX_VIRTUAL_MACHINES, type VmFirmware, vmFirmwares } from './virtual-machine.ts';

export const PLAY_USAGE =
  'npm run lab -- [--hosts N] [--vms N] [--firmware bios,uefi,secure-boot,http] [--link-mbit N] [--used-mib N] [--off]';

export interface PlayOptions {
  /** Light hosts, the golden machine not counted. */
  readonly hosts: number;
  readonly vms: readonly VmFirmware[];
  readonly linkMbit: number;
  readonly usedMiB: number;
  /** The machines stay off. */
  readonly isOff: boolean;
}

/** Virtual machines take the firmwares in turn; with `--firmware` alone there is one for each. Throws LabUsageError, or TypeError of parseArgs. */
export function readPlayOptions(args: readonly string[]): PlayOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hosts: { type: 'string', default: '4' },
      vms: { type: 'string' },
      firmware: { type: 'string' },
      'link-mbit': { type: 'string', default: '100' },
      'used-mib': { type: 'string', default: '16' },
      off: { type: 'boolean', default: false },
    },
  });
  const firmwares = (values.firmware ?? 'bios,uefi').split(',').map(firmwareOf);
  const count = values.vms ?? String(values.firmware === undefined ? 2 : firmwares.length);
  const vms = wholeNumber('--vms', count, 0, MAX_VIRTUAL_MACHINES);
  return {
    hosts: wholeNumber('--hosts', values.hosts, 0, MAX_LAB_HOSTS - 1),
    vms: Array.from({ length: vms }, (_, i) => firmwares[i % firmwares.length]!),
    linkMbit: wholeNumber('--link-mbit', values['link-mbit'], 1, 10_000),
    usedMiB: wholeNumber('--used-mib', values['used-mib'], 8, 16_384),
    isOff: values.off,
  };
}

function firmwareOf(word: string): VmFirmware {
  const found = vmFirmwares.find((name) => name === (word === 'http' ? 'uefi-http' : word));
  if (found === undefined) throw new LabUsageError(`There is no firmware ${word}; there are ${vmFirmwares.join(', ')}`);
  return found;
}
