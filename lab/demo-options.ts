/** What the demo is asked for on its command line. */
import { parseArgs } from 'node:util';
import { DEFAULT_USED_MIB } from './golden-disk.ts';
import { LabUsageError } from './lab-program.ts';
import { MAX_LAB_HOSTS } from './topology.ts';
import type { VmFirmware } from './virtual-machine.ts';

export const DEMO_USAGE = 'npm run demo -- [--hosts N] [--vm] [--json] [--keep] [--link-mbit N] [--used-mib N]';
/** The virtual machines of `--vm`. */
const VM_FIRMWARES: readonly VmFirmware[] = ['bios', 'uefi'];
/** An emulated processor lays down a few MB a second, beside a system of 35 MiB. */
const DEFAULT_USED_MIB_WITH_VMS = 16;
const MOST_MBIT_WITH_VMS = 25;

export interface DemoOptions {
  /** All hosts, virtual machines included. */
  readonly hosts: number;
  readonly vms: readonly VmFirmware[];
  readonly linkMbit: number;
  readonly usedMiB: number;
  readonly json: boolean;
  readonly keep: boolean;
}

/** Throws an Error that says what is wrong with the arguments. */
export function readDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hosts: { type: 'string', default: '8' },
      vm: { type: 'boolean', default: false },
      'link-mbit': { type: 'string' },
      'used-mib': { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const vms = values.vm ? VM_FIRMWARES : [];
  // One light host at least, beside the virtual machines.
  const hosts = wholeNumber('--hosts', values.hosts, vms.length + 1, MAX_LAB_HOSTS - 1);
  const linkMbit = vms.length > 0 ? Math.min(linkMbitFor(hosts), MOST_MBIT_WITH_VMS) : linkMbitFor(hosts);
  const usedMiB = vms.length > 0 ? DEFAULT_USED_MIB_WITH_VMS : DEFAULT_USED_MIB;
  return {
    hosts,
    vms,
    linkMbit: wholeNumber('--link-mbit', values['link-mbit'] ?? String(linkMbit), 1, 10_000),
    usedMiB: wholeNumber('--used-mib', values['used-mib'] ?? String(usedMiB), 8, 16_384),
    json: values.json,
    keep: values.keep,
  };
}

/** Throws LabUsageError that names the option and what it takes. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new LabUsageError(`${option} takes a whole number from ${least} to ${most}, not ${text}`);
  }
  return value;
}

/** A rate at which two cores are not the limit (measured: 42 agents hold 10 Mbit/s, 8 hold 50 to 100). */
function linkMbitFor(hosts: number): number {
  if (hosts <= 4) return 100;
  if (hosts <= 8) return 50;
  return hosts <= 16 ? 25 : 10;
}
