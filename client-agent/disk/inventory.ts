/** What machine this is: read from DMI, sysfs and lsblk, or from the hardware file of a light host. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { Inventory } from '#protocol/agent-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { knownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';
import { readContent, readRaidMember } from './disk-content.ts';
import { diskSizeOf } from './disk-size.ts';
import { useOfFile } from './disk-use.ts';
import { readHardwareFile } from './hardware-file.ts';
import { listDisks } from './lsblk.ts';

/** What a machine says of itself, however it is asked. */
type Machine = Pick<Inventory, 'systemUuid' | 'manufacturer' | 'product' | 'serial' | 'firmware'> & {
  readonly disks: readonly Omit<Disk, 'content'>[];
};

/**
 * Reads the inventory; `server` is the base URL of the agent API, which decides the interface that is reported.
 * Disks that cannot be read are listed with that said in their content. Throws AGENT_FAILED (no way to the server, bad hardware file).
 */
export async function readInventory(o: { server: string; hardwareFile?: string }): Promise<Inventory> {
  const machine = o.hardwareFile === undefined ? await realMachine() : await lightMachine(o.hardwareFile);
  const network = await readNetwork(new URL(o.server).hostname);
  const disks = await Promise.all(
    machine.disks.map(async (disk) => {
      const raidMember = await readRaidMember(disk.path);
      const content = await readContent(disk.path, disk.sectorBytes);
      return { ...disk, ...(raidMember === undefined ? {} : { raidMember }), content };
    }),
  );
  return { ...machine, ...network, cpus: availableParallelism(), memoryBytes: totalmem(), disks };
}

async function realMachine(): Promise<Machine> {
  const [systemUuid, manufacturer, product, serial, disks] = await Promise.all([
    readDmi('product_uuid'),
    readDmi('sys_vendor'),
    readDmi('product_name'),
    readDmi('product_serial'),
    listDisks(),
  ]);
  const firmware = existsSync('/sys/firmware/efi') ? 'uefi' : 'bios';
  return { systemUuid: systemUuid.toLowerCase(), manufacturer, product, serial, firmware, disks };
}

async function lightMachine(path: string): Promise<Machine> {
  const { disks, ...names } = await readHardwareFile(path);
  return {
    ...names,
    firmware: 'light',
    disks: await Promise.all(
      disks.map(async (disk) => {
        const use = await useOfFile(disk.path);
        const sizeBytes = diskSizeOf(disk.path, disk.sectorBytes);
        return { ...disk, sizeBytes, inUse: use !== undefined, ...(use === undefined ? {} : { usedBy: use }) };
      }),
    ),
  };
}

/** Machines without SMBIOS (most arm boards) have none of these: empty. */
async function readDmi(name: string): Promise<string> {
  return readFile(`/sys/class/dmi/id/${name}`, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

type Network = Pick<Inventory, 'mac' | 'macs' | 'address' | 'interface' | 'linkMbit'>;

/** The interface and address that this host speaks to the server from, as the kernel would choose them (`ip route get`). */
async function readNetwork(server: string): Promise<Network> {
  const unreachable = (cause?: unknown) =>
    knownError('AGENT_FAILED', { reason: `no interface of this host leads to the server ${server}` }, { cause });
  let route: { dev?: string; prefsrc?: string } | undefined;
  let links: { ifname: string; link_type: string; address?: string }[];
  try {
    [route] = JSON.parse((await run(['ip', '-json', 'route', 'get', server], { limitMs: 10_000 })).stdout);
    // Not from /sys: there another network namespace may be mounted.
    links = JSON.parse((await run(['ip', '-json', 'link', 'show'], { limitMs: 10_000 })).stdout);
  } catch (error) {
    throw unreachable(error);
  }
  const { dev, prefsrc } = route ?? {};
  const mac = links.find((link) => link.ifname === dev)?.address;
  if (dev === undefined || prefsrc === undefined || mac === undefined) throw unreachable();
  const macs = links.filter((link) => link.link_type === 'ether').map((link) => (link.address ?? '').toLowerCase());
  const linkMbit = await readLinkSpeed(dev);
  return {
    interface: dev,
    address: prefsrc,
    mac: mac.toLowerCase(),
    macs: [...new Set(macs)],
    ...(linkMbit !== undefined ? { linkMbit } : {}),
  };
}

/** A link that is down gives EINVAL, some virtual ones -1. */
async function readLinkSpeed(device: string): Promise<number | undefined> {
  const speed = Number(await readFile(`/sys/class/net/${device}/speed`, 'utf8').catch(() => ''));
  return Number.isInteger(speed) && speed > 0 ? speed : undefined;
}
