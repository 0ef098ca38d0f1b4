/** The disks of a real machine, from lsblk(8). */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Disk } from '#protocol/disk.ts';
import { programFailed, run } from '#system/run.ts';

const COLUMNS = 'PATH,MODEL,SERIAL,WWN,SIZE,LOG-SEC,TRAN,ROTA,RM,RO,TYPE,MOUNTPOINTS';
const argv = ['lsblk', '--json', '--bytes', '--output', COLUMNS];

const text = Type.Optional(Type.Union([Type.String(), Type.Null()]));
const nodeSchema = Type.Cyclic(
  {
    Node: Type.Object({
      path: Type.String(),
      model: text,
      serial: text,
      wwn: text,
      size: Type.Integer(),
      'log-sec': Type.Integer(),
      tran: text,
      rota: Type.Optional(Type.Boolean()),
      rm: Type.Boolean(),
      ro: Type.Boolean(),
      type: Type.String(),
      mountpoints: Type.Array(Type.Union([Type.String(), Type.Null()])),
      children: Type.Optional(Type.Array(Type.Ref('Node'))),
    }),
  },
  'Node',
);
const outputSchema = Type.Object({ blockdevices: Type.Array(nodeSchema) });
type LsblkNode = Static<typeof nodeSchema>;

/** Throws PROGRAM_MISSING, PROGRAM_FAILED. */
export async function listDisks(): Promise<Omit<Disk, 'content'>[]> {
  const { stdout } = await run(argv, { limitMs: 30_000 });
  return Promise.all(disksFromLsblk(JSON.parse(stdout)).map(completeFromSysfs));
}

/** lsblk knows model and serial from udev only, and the agent image has none: the kernel's own attributes fill in. */
async function completeFromSysfs<T extends Omit<Disk, 'content'>>(disk: T): Promise<T> {
  const folder = `/sys/block/${basename(disk.path)}`;
  const model = disk.model || (await firstAttribute(folder, ['device/model']));
  const serial = disk.serial || (await firstAttribute(folder, ['serial', 'device/serial', 'device/vpd_pg80']));
  const wwn = disk.wwn ?? (await firstAttribute(folder, ['wwid', 'device/wwid']));
  return { ...disk, model, serial, ...(wwn !== '' ? { wwn } : {}) };
}

async function firstAttribute(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    const bytes = await readFile(`${folder}/${name}`).catch(() => Buffer.alloc(0));
    // SPC-4, 7.8.13: the page of the unit's serial number has four bytes before it.
    const value = (name.endsWith('vpd_pg80') ? bytes.subarray(4) : bytes)
      .toString('latin1')
      .replaceAll('\0', '')
      .trim();
    if (value !== '') return value;
  }
  return '';
}

/**
 * Whole disks that hold something: no loop devices, RAM disks, optical drives, network block devices or empty card readers.
 * Disks of a software RAID stay in the list each for itself. Pure. Throws PROGRAM_FAILED when the output has another shape.
 */
export function disksFromLsblk(output: unknown): Omit<Disk, 'content'>[] {
  if (!Value.Check(outputSchema, output)) throw programFailed(argv, 'its output has an unknown form', '');
  return output.blockdevices.filter(isWholeDisk).map((node) => {
    const use = useOf(node);
    return {
      path: node.path,
      model: node.model?.trim() ?? '',
      serial: node.serial?.trim() ?? '',
      ...(node.wwn ? { wwn: node.wwn } : {}),
      sizeBytes: node.size,
      sectorBytes: node['log-sec'],
      transport:
        node.tran ?? (node.path.startsWith('/dev/vd') ? 'virtio' : node.path.startsWith('/dev/mmcblk') ? 'mmc' : ''),
      ...(node.rota === undefined ? {} : { rotational: node.rota }),
      removable: node.rm,
      readOnly: node.ro,
      inUse: use !== undefined,
      ...(use === undefined ? {} : { usedBy: use }),
    };
  });
}

function isWholeDisk(node: LsblkNode): boolean {
  // zram, nbd, and an eMMC's boot and replay-protected areas are of type disk too.
  return node.type === 'disk' && node.size > 0 && !/^\/dev\/(zram|nbd|ram|mmcblk\d+(boot\d|rpmb))/.test(node.path);
}

/** A mounted filesystem or active swap on it or on a partition of it, or what holds them: a mapping, a volume group, a RAID. */
function useOf(node: LsblkNode): string | undefined {
  const point = node.mountpoints.find((one) => one !== null);
  if (point !== undefined) return point === '[SWAP]' ? 'swap' : `mounted at ${point}`;
  for (const child of node.children ?? []) {
    const use = useOf(child);
    if (use !== undefined) return use;
    if (child.type !== 'part') return `held by ${basename(child.path)}`;
  }
  return undefined;
}
