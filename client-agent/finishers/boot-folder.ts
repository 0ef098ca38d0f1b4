/** /boot of a Linux where it is a filesystem of its own: found on the disk by what fstab(5) calls it, and mounted in its place. */
import type { Volume } from '#protocol/manifest.ts';
import { probeBlock } from '../disk/block-probe.ts';
import { whileMountedAt } from '../disk/mount.ts';
import { withVolumeDevice } from '../disk/volume-device.ts';
import type { FinisherContext } from './finisher.ts';
import type { RootFolder } from './root-folder.ts';
import { driversOf } from './target-system.ts';

/** What fstab(5) mounts at /boot, in its own words (UUID=…, LABEL=…, /dev/sda2 …); undefined: /boot is a folder of the root. Pure. */
export function bootSource(fstab: string): string | undefined {
  const lines = fstab.split('\n').map((line) => line.trim().split(/\s+/));
  return lines.find(([source, folder = '']) => !source!.startsWith('#') && /^\/boot\/?$/.test(folder))?.[0];
}

/** Runs `use` with /boot in its place below the root. Throws an Error when the disk has no such filesystem, PROGRAM_FAILED. */
export async function whileBootMounted(
  root: RootFolder,
  context: Pick<FinisherContext, 'disk' | 'manifest' | 'changes' | 'system'>,
  use: () => Promise<void>,
): Promise<void> {
  const source = bootSource((await root.read('etc/fstab')) ?? '');
  if (source === undefined) return use();
  const volume = await findVolume(source, context);
  if (volume === undefined) throw new Error(`its /boot is ${source} in fstab, and this disk has no such filesystem`);
  const folder = await root.resolve('boot');
  const { filesystem = '' } = volume;
  await withVolumeDevice(context.disk, volume, context.changes, (node) =>
    whileMountedAt(node, filesystem, driversOf(filesystem)[0]!.options, folder, use),
  );
}

async function findVolume(
  source: string,
  { disk, manifest, system }: Pick<FinisherContext, 'disk' | 'manifest' | 'system'>,
): Promise<Volume | undefined> {
  const others = manifest.volumes.filter(
    (volume) => volume !== system?.volume && driversOf(volume.filesystem ?? '').length > 0,
  );
  for (const volume of others) {
    const { uuid, label } = await probeBlock(disk.path, volume);
    const partition = manifest.head.layout.partitions.find(({ number }) => number === volume.partition);
    const names = { uuid, label, partitionUuid: partition?.uuid, partitionName: partition?.name };
    if (isCalled(source, { ...names, partition: volume.within === undefined ? volume.partition : undefined })) {
      return volume;
    }
  }
  return undefined;
}

/** Whether fstab(5) means a volume with these names. A node is known by its number: disks are called otherwise on every machine. Pure. */
export function isCalled(
  source: string,
  names: {
    readonly uuid: string | undefined;
    readonly label: string | undefined;
    readonly partitionUuid: string | undefined;
    readonly partitionName: string | undefined;
    /** Undefined: it is no partition. */
    readonly partition: number | undefined;
  },
): boolean {
  const [, tag = '', value = ''] = /^(\w+)="?([^"]*)"?$/.exec(source) ?? [];
  const isSame = (name: string | undefined) => name !== undefined && name.toLowerCase() === value.toLowerCase();
  if (tag === 'UUID') return isSame(names.uuid);
  if (tag === 'LABEL') return names.label === value;
  if (tag === 'PARTUUID') return isSame(names.partitionUuid);
  if (tag === 'PARTLABEL') return names.partitionName === value;
  const number = /^\/dev\/(?:[shv]d[a-z]+|xvd[a-z]+|(?:nvme\d+n|mmcblk)\d+p)(\d+)$/.exec(source)?.[1];
  return number !== undefined && Number(number) === names.partition;
}
