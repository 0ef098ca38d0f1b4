/**
 * Boots each firmware in a lab and writes what it and the server said to each other: the golden files of test/server/boot/golden.
 *
 *   bin/node lab/capture-boot.ts ASSETS OUT [NAME…]      ASSETS: what `fleetcast boot build` made; it needs tcpdump
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '#system/run.ts';
import { bootTalk, type CapturedDatagram, readCapture, renderTalk } from './boot-capture.ts';
import { Lab } from './lab.ts';
import { qemuArguments, type VmFirmware } from './virtual-machine.ts';
import { VmRack } from './vm-rack.ts';

interface Shot {
  readonly firmware: VmFirmware;
  readonly title: string;
  readonly packages: readonly string[];
  /** Who answers: our daemon in this mode, or a dnsmasq that gives this boot loader. */
  readonly by: 'full' | 'proxy' | { readonly loader: string };
  /** QEMU's own ROM on the card, in UEFI too. */
  readonly keepsRom?: boolean;
}

const shots: Readonly<Record<string, Shot>> = {
  'bios-ipxe-rom': { firmware: 'bios', title: 'QEMU’s iPXE ROM, BIOS', packages: ['ipxe-qemu', 'seabios'], by: 'full' },
  'ovmf-pxe': { firmware: 'uefi', title: 'OVMF, UEFI PXE, then shim and GRUB', packages: ['ovmf'], by: 'full' },
  'ovmf-http': { firmware: 'uefi-http', title: 'OVMF, UEFI HTTP Boot', packages: ['ovmf'], by: 'full' },
  'ovmf-secure-boot': {
    firmware: 'secure-boot',
    title: 'OVMF with Secure Boot, UEFI PXE, then shim and GRUB',
    packages: ['ovmf'],
    by: 'full',
  },
  'efi-ipxe-rom': {
    firmware: 'uefi',
    title: 'QEMU’s iPXE ROM, UEFI',
    packages: ['ipxe-qemu', 'ovmf'],
    by: 'full',
    keepsRom: true,
  },
  'bios-ipxe-rom-proxy': {
    firmware: 'bios',
    title: 'QEMU’s iPXE ROM, BIOS, beside a dnsmasq',
    packages: ['ipxe-qemu'],
    by: 'proxy',
  },
  'ovmf-pxe-proxy': { firmware: 'uefi', title: 'OVMF, UEFI PXE, beside a dnsmasq', packages: ['ovmf'], by: 'proxy' },
  'ovmf-http-proxy': {
    firmware: 'uefi-http',
    title: 'OVMF, UEFI HTTP Boot, beside a dnsmasq',
    packages: ['ovmf'],
    by: 'proxy',
  },
  'undionly-ipxe': {
    firmware: 'bios',
    title: 'undionly.kpxe (iPXE 1.21.1 of Debian 13), BIOS',
    packages: [],
    by: { loader: 'undionly.kpxe' },
  },
  'ipxe-efi': {
    firmware: 'uefi',
    title: 'ipxe.efi (iPXE 1.21.1 of Debian 13), UEFI',
    packages: ['ovmf'],
    by: { loader: 'ipxe.efi' },
  },
};

const QUIET_MS = 22_000;
const LIMIT_MS = 110_000;
const POLL_MS = 500;
const DISK_BYTES = 8 * 1024 * 1024;

const [assets, out, ...names] = process.argv.slice(2);
if (assets === undefined || out === undefined)
  throw new Error('usage: bin/node lab/capture-boot.ts ASSETS OUT [NAME…]');
mkdirSync(out, { recursive: true });
for (const name of names.length === 0 ? Object.keys(shots) : names) await take(name, shots[name]!, assets, out);

async function take(name: string, shot: Shot, assetFolder: string, folder: string): Promise<void> {
  const lab = await Lab.create({ hosts: ['giver'], linkMbit: 1000, diskBytes: DISK_BYTES });
  try {
    const rack = new VmRack(lab);
    lab.giveBootAssets(assetFolder);
    const vm = await rack.add({ name: 'machine', firmware: shot.firmware, diskBytes: DISK_BYTES });
    await serve(lab, rack, shot, assetFolder, vm.mac);
    const pcap = join(vm.folder, 'net.pcap');
    const argv = qemuArguments(vm).map((word) => (shot.keepsRom ? word.replace(',romfile=', '') : word));
    const dump = ['tcpdump', '-i', vm.port, '-s', '0', '-U', '-Z', 'root', '-w', pcap, 'udp'];
    lab.start('tcpdump', lab.topology.switchNamespace, dump, join(vm.folder, 'tcpdump.log'));
    lab.start(
      'machine',
      lab.topology.switchNamespace,
      ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', vm.folder, ...argv],
      join(vm.folder, 'qemu.log'),
    );
    const talk = await untilQuiet(pcap);
    if (talk.length === 0) throw new Error(readFileSync(join(vm.folder, 'qemu.log'), 'utf8'));
    const about = [
      `${shot.title}: what the machine (>) and the server (<) said, taken from its network card by lab/capture-boot.ts.`,
      `firmware: ${(await versionsOf(shot.packages)).join(', ') || 'see the title'}`,
      `machine: ${vm.mac} ${vm.systemUuid}`,
      `answered by: ${typeof shot.by === 'string' ? `fleetcast, dhcp = "${shot.by}"` : `dnsmasq (answers left out) with ${shot.by.loader}`}`,
    ];
    const own = [...new Set(talk.filter((one) => one.fromPort === 68 || one.toPort === 69).map((one) => one.from))];
    const isOwn = ({ from }: CapturedDatagram) => from === '0.0.0.0' || own.includes(from);
    const kept = typeof shot.by === 'string' ? talk : talk.filter(isOwn);
    writeFileSync(join(folder, `${name}.txt`), renderTalk(about, kept, isOwn));
    console.log(`${name}: ${talk.length} datagrams`);
  } finally {
    await lab.takeDown();
  }
}

async function serve(lab: Lab, rack: VmRack, shot: Shot, assetFolder: string, mac: string): Promise<void> {
  const giver = lab.host('giver');
  const fixed = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=0',
    '--leasefile-ro',
    '--interface=eth0',
    '--bind-interfaces',
    '--no-ping',
    '--user=root',
  ];
  const range = '--dhcp-range=10.77.0.100,10.77.0.110';
  const log = join(lab.folder.path, 'dnsmasq.log');
  if (typeof shot.by !== 'string') {
    const boot = [`--dhcp-boot=${shot.by.loader}`, '--enable-tftp', `--tftp-root=${assetFolder}`];
    lab.start('dnsmasq', giver.namespace, ['dnsmasq', ...fixed, range, ...boot], log);
    return;
  }
  if (shot.by === 'proxy') lab.start('dnsmasq', giver.namespace, ['dnsmasq', ...fixed, range], log);
  const moreConfig = shot.by === 'full' ? rack.daemonConfig : '[boot]\ndhcp = "proxy"\ntftp = "on"\n';
  await lab.startDaemon({ moreConfig });
  await lab.fleetcast(['host', 'add', 'machine', mac]);
}

async function untilQuiet(pcap: string): Promise<ReturnType<typeof bootTalk>> {
  const end = performance.now() + LIMIT_MS;
  let [count, sinceMs] = [0, performance.now()];
  for (;;) {
    await delay(POLL_MS);
    const talk = bootTalk(readCapture(readPcap(pcap)));
    if (talk.length !== count) [count, sinceMs] = [talk.length, performance.now()];
    const now = performance.now();
    if (now > end || (count > 0 && now - sinceMs > QUIET_MS)) return talk;
  }
}

function readPcap(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

async function versionsOf(packages: readonly string[]): Promise<string[]> {
  if (packages.length === 0) return [];
  const { stdout } = await run(['dpkg-query', '-W', ...packages]);
  return stdout.trim().replaceAll('\t', ' ').split('\n');
}
