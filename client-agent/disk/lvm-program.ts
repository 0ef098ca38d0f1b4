/**
 * lvm(8) on one device, and on nothing else: groups of the same name, or even the same ids, on other disks of the machine are not
 * looked at. Only metadata is read and written: no volume is activated, so neither device-mapper nor udev is needed.
 */
import { type RunResult, run } from '#system/run.ts';

/** Metadata of a group with thousands of volumes is written in seconds; a slow disk may take its time. */
const LIMIT_MS = 300_000;

const CONFIG = [
  'backup { backup=0 archive=0 }',
  'devices { use_devicesfile=0 hints="none" obtain_device_list_from_udev=0 external_device_info_source="none" }',
  'global { use_lvmpolld=0 event_activation=0 system_id_source="none" }',
].join(' ');

export function lvmArgv(device: string, command: string, words: readonly string[]): string[] {
  return ['lvm', command, '--config', CONFIG, '--driverloaded', 'n', '--nolocking', '--devices', device, ...words];
}

/** Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export function lvm(device: string, command: string, ...words: string[]): Promise<RunResult> {
  return run(lvmArgv(device, command, words), { limitMs: LIMIT_MS });
}
