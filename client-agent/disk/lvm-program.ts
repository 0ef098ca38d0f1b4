/**
 * lvm(8) on devices that are given, and on nothing else: groups of the same name, or even the same ids, on other disks of the machine
 * are not looked at. Mostly metadata alone is read and written: then neither device-mapper nor udev is needed.
 */
import { type RunResult, run } from '#system/run.ts';
import { DirectFile } from './direct-file.ts';
import { diskSizeOf } from './disk-size.ts';
import { readGroup, sectionsOf } from './lvm-metadata.ts';

/** Metadata of a group with thousands of volumes is written in seconds; a slow disk may take its time. */
const LIMIT_MS = 300_000;

const CONFIG = [
  'backup { backup=0 archive=0 }',
  'devices { use_devicesfile=0 hints="none" obtain_device_list_from_udev=0 external_device_info_source="none" }',
  'global { use_lvmpolld=0 event_activation=0 system_id_source="lvmlocal" }',
].join(' ');

/** Nobody waits for udev, which the agent does not have, and no daemon watches what is gone in a moment. */
const ACTIVATING = `${CONFIG} activation { udev_sync=0 udev_rules=0 monitoring=0 }`;

/** lvmsystemid(7): a group may say which machine it belongs to, and lvm(8) on any other refuses it. Here we are that machine. */
export function lvmArgv(
  device: string,
  systemId: string | undefined,
  command: string,
  words: readonly string[],
): string[] {
  const config = withSystemId(CONFIG, systemId);
  return ['lvm', command, '--config', config, '--driverloaded', 'n', '--nolocking', '--devices', device, ...words];
}

/** The same for what activates volumes, which needs device-mapper. */
export function activatingArgv(
  devices: readonly string[],
  systemId: string | undefined,
  command: string,
  words: readonly string[],
): string[] {
  const config = withSystemId(ACTIVATING, systemId);
  return ['lvm', command, '--config', config, '--nolocking', '--devices', devices.join(','), ...words];
}

function withSystemId(config: string, systemId: string | undefined): string {
  const isSound = systemId !== undefined && /^[A-Za-z0-9_.+-]+$/.test(systemId);
  return isSound ? `${config} local { system_id="${systemId}" }` : config;
}

/** Throws PROGRAM_FAILED, PROGRAM_MISSING, DISK_READ_FAILED. */
export function lvm(device: string, command: string, ...words: string[]): Promise<RunResult> {
  return run(lvmArgv(device, systemIdOf(device), command, words), { limitMs: LIMIT_MS });
}

/** The machine that the group on the device belongs to; undefined: any, or there is no group. */
function systemIdOf(device: string): string | undefined {
  const read = (offset: number, length: number) => DirectFile.readSpan(device, offset, length);
  const text = readGroup(read, diskSizeOf(device, 512));
  const sections = typeof text === 'string' ? text : sectionsOf(text);
  return typeof sections === 'string' ? undefined : sections.content.system_id?.toString();
}
