/**
 * A group of LVM, activated for a moment, from devices that are given and no others (lvm(8), `--devices`). Where LVM writes while it
 * activates (the metadata of a thin pool, say), it writes to those devices.
 */
import { run } from '#system/run.ts';
import { activatingArgv } from './lvm-program.ts';
import { type ConfigSection, isSection, sectionOf } from './lvm-text.ts';

/** thin_check(8) reads all metadata of a large pool. */
const LIMIT_MS = 300_000;

/**
 * Types of segments that come up by themselves and leave the data alone. RAID and mirrored volumes would begin to copy, and what
 * caches, VDO and integrity need of the kernel the agent does not have (pxe-assets/toolbox.ts).
 */
const activeTypes = ['striped', 'linear', 'snapshot', 'thin', 'thin-pool', 'zero', 'error'];

export interface Group {
  readonly name: string;
  /** The machine that it belongs to; undefined: any. */
  readonly systemId?: string | undefined;
  readonly devices: readonly string[];
}

/** A volume as lvs(8) shows it. */
export interface ActiveVolume {
  /** `group/volume`. */
  readonly name: string;
  /** The kernel's own node; undefined: it was left inactive. */
  readonly node?: string;
  /** A thin pool: it holds volumes, not data. */
  readonly isPool: boolean;
}

/** Why a group is not activated here, though nothing need be wrong with it; undefined: it can be. `found` is how many of its physical volumes are here. Pure. */
export function whyNotActivated(group: string, content: ConfigSection, found: number): string | undefined {
  const members = Object.keys(sectionOf(content, 'physical_volumes')).length;
  if (found < members) return `${members - found} of its ${members} physical volumes are not on this disk`;
  if (Array.isArray(content.status) && content.status.includes('EXPORTED')) return 'it was exported (vgexport)';
  const lock = content.lock_type ?? 'none';
  if (lock !== 'none') return `machines share it by ${String(lock)}`;
  for (const [name, volume] of Object.entries(sectionOf(content, 'logical_volumes'))) {
    const type = isSection(volume) ? strangeType(volume) : undefined;
    if (type !== undefined) return `${group}/${name} is of type ${type}, which is not activated by the agent`;
  }
  return undefined;
}

/** Behind a + are flags that an older LVM must not overlook (lvm2 source, lib/format_text/flags.c). */
function strangeType(volume: ConfigSection): string | undefined {
  const types = Object.values(volume).flatMap((one) =>
    isSection(one) && one.type !== undefined ? String(one.type) : [],
  );
  return types.map((type) => type.split('+')[0]!).find((type) => !activeTypes.includes(type));
}

/** Whether volumes of a group of that name or id are active on this machine. Throws PROGRAM_FAILED (no device-mapper). */
export async function isGroupActive(group: string, id: string): Promise<boolean> {
  const { stdout } = await run(['dmsetup', 'info', '-c', '--noheadings', '--separator', ' ', '-o', 'uuid,name']);
  return isAmong(stdout, group, id);
}

/** lvm2 source, lib/misc/lvm-string.c: a device is called GROUP-VOLUME, each dash in a name is doubled; its UUID begins with that of the group. Pure. */
export function isAmong(devices: string, group: string, id: string): boolean {
  const ownName = `${group.replaceAll('-', '--')}-`;
  return devices.split('\n').some((line) => {
    const [uuid = '', name = ''] = line.trim().split(' ');
    const isOwnName = name.startsWith(ownName) && name[ownName.length] !== '-';
    return uuid.startsWith('LVM-') && (uuid.startsWith(`LVM-${id.replaceAll('-', '')}`) || isOwnName);
  });
}

/** Runs `use` with the volumes of the group, all inactive afterwards. Throws PROGRAM_FAILED, also where its metadata is not sound; PROGRAM_MISSING. */
export async function withActiveGroup<T>(
  { name, systemId, devices }: Group,
  use: (volumes: readonly ActiveVolume[]) => Promise<T>,
): Promise<T> {
  const lvm = (command: string, ...words: string[]) =>
    run(activatingArgv(devices, systemId, command, words), { limitMs: LIMIT_MS });
  await lvm('vgck', name);
  try {
    await lvm('vgchange', '--activate', 'y', name);
    const { stdout } = await lvm('lvs', '--reportformat', 'json', '-o', REPORTED.join(','), name);
    return await use(readActiveVolumes(stdout));
  } finally {
    await lvm('vgchange', '--activate', 'n', name);
  }
}

const REPORTED = ['vg_name', 'lv_name', 'lv_active', 'lv_kernel_minor', 'lv_layout'] as const;

/** `lvs --reportformat json` (lvmreport(7)). Pure. */
export function readActiveVolumes(output: string): ActiveVolume[] {
  const { report } = JSON.parse(output) as { report: { lv: Record<(typeof REPORTED)[number], string>[] }[] };
  return report.flatMap(({ lv }) =>
    lv.map(({ vg_name, lv_name, lv_active, lv_kernel_minor, lv_layout }) => ({
      name: `${vg_name}/${lv_name}`,
      ...(lv_active === 'active' ? { node: `/dev/dm-${lv_kernel_minor}` } : {}),
      isPool: lv_layout.split(',').includes('pool'),
    })),
  );
}
