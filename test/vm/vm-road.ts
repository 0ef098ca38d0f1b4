/** Virtual machines in a lab of their own, for tests: real firmware, the daemon's own DHCP and TFTP, and the real CLI. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readyBootAssets } from '#lab/boot-cache.ts';
import { BOOTABLE_DISK_BYTES, buildBootableDisk } from '#lab/bootable-disk.ts';
import { Lab } from '#lab/lab.ts';
import { scratchOf } from '#lab/run-folder.ts';
import { SerialPort } from '#lab/serial-port.ts';
import { missingForVirtualMachines, type VirtualMachine, type VmFirmware } from '#lab/virtual-machine.ts';
import { VmRack } from '#lab/vm-rack.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { noLab, takeLabTurn } from '../lab/lab-turn.ts';

const POLL_MS = 200;
const SECTOR_BYTES = 512;
/** The slowest firmware on two busy cores; alone it takes 40 s. */
const BOOT_LIMIT_MS = 400_000;
const SESSION_LIMIT_MS = 600_000;

/** Why these tests cannot run here; false when they can. */
export const noVm: string | false = noLab || (missingForVirtualMachines() ?? false);

export interface VmRoadOptions {
  readonly firmwares: readonly VmFirmware[];
  readonly lightHosts: readonly string[];
  /** One more virtual machine, `golden`, to be captured; its disk is as large as the light hosts'. */
  readonly golden?: VmFirmware;
  /** Of the light hosts' disks. Default: that of the bootable disk. */
  readonly diskBytes?: number;
  /** Disks of the virtual machines are larger than the light hosts' by so many bytes. */
  readonly moreDiskBytes?: number;
  /** Each virtual machine has a first network card besides, where nobody answers. */
  readonly hasIdleCards?: boolean;
}

export class VmRoad {
  readonly lab: Lab;
  readonly rack: VmRack;
  readonly assets: string;

  private constructor(lab: Lab, rack: VmRack, assets: string) {
    this.lab = lab;
    this.rack = rack;
    this.assets = assets;
  }

  /** A daemon with boot assets, and machines named after their firmware that are known to it and off. */
  static async build(t: TestContext, options: VmRoadOptions): Promise<VmRoad> {
    await takeLabTurn(t);
    const assets = await buildBootAssets();
    const ownBytes = options.diskBytes ?? BOOTABLE_DISK_BYTES;
    const lab = await Lab.create({ hosts: options.lightHosts, linkMbit: 100, diskBytes: ownBytes });
    t.after(() => lab.takeDown());
    const rack = new VmRack(lab);
    lab.giveBootAssets(assets);
    await lab.startDaemon({ moreConfig: rack.daemonConfig });
    const road = new VmRoad(lab, rack, assets);
    const diskBytes = ownBytes + (options.moreDiskBytes ?? 0);
    for (const firmware of options.firmwares) {
      const hasIdleCard = options.hasIdleCards ?? false;
      const vm = await rack.add({ name: firmware, firmware, diskBytes, hasIdleCard });
      await road.cli(['host', 'add', vm.name, vm.mac]);
    }
    if (options.golden !== undefined) {
      const golden = await rack.add({ name: 'golden', firmware: options.golden, diskBytes: ownBytes });
      await road.cli(['host', 'add', golden.name, golden.mac]);
    }
    for (const host of lab.topology.hosts) await road.cli(['host', 'add', host.name, host.mac]);
    return road;
  }

  vm(firmware: VmFirmware): VirtualMachine {
    return this.rack.machines.find((vm) => vm.firmware === firmware)!;
  }

  /** Puts a disk that boots into a light host that is off. */
  async plantBootableDisk(host: string, name: string): Promise<void> {
    const path = this.lab.diskOf(this.lab.host(host));
    await buildBootableDisk({ path, workDir: scratchOf(this.lab.folder), assets: this.assets, name });
  }

  async cli(args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.lab.fleetcast(args);
    assert.equal(exitCode, 0, `fleetcast ${args.join(' ')}: ${stderr}${stdout}${this.#consoles()}`);
    return stdout;
  }

  /** Until the agent of the host has told its disks. Gives the host's view. */
  async untilRegistered(name: string): Promise<HostView> {
    const view = async () => ((await this.lab.get('/api/v1/hosts')) as HostView[]).find((host) => host.name === name);
    await this.#until(`${name} registers`, BOOT_LIMIT_MS, async () => (await view())?.inventory !== undefined);
    return (await view())!;
  }

  /** Starts a deployment and waits for its end; every task must have succeeded. */
  async deploy(image: string, hosts: readonly string[], more: readonly string[] = []): Promise<SessionView> {
    const printed = await this.cli(['--json', 'deploy', image, '--hosts', hosts.join(','), '--yes', ...more]);
    const { sessionId } = JSON.parse(printed.trim().split('\n').at(-1)!) as SessionView;
    const view = async () => (await this.lab.get(`/api/v1/sessions/${sessionId}`)) as SessionView;
    await this.#until(`session ${sessionId} ends`, SESSION_LIMIT_MS, async () =>
      ['completed', 'failed', 'cancelled'].includes((await view()).state),
    );
    const session = await view();
    assert.deepEqual(
      session.tasks.map(({ state, error }) => error?.message ?? state),
      session.tasks.map(() => 'succeeded'),
      this.#consoles(),
    );
    return session;
  }

  /** Until the machine has said the line on its serial console and has switched itself off. */
  async untilSaidAndOff(vm: VirtualMachine, line: string): Promise<void> {
    await this.#until(`${vm.name} says ${line}`, BOOT_LIMIT_MS, async () => this.rack.serialText(vm).includes(line));
    await this.untilOff(vm);
  }

  /** Until it has asked on its serial console for a line, has got it, and has switched itself off. */
  async untilAnsweredAndOff(vm: VirtualMachine, asks: string, line: string): Promise<void> {
    await this.#until(`${vm.name} asks: ${asks}`, BOOT_LIMIT_MS, async () => this.rack.serialText(vm).includes(asks));
    const serial = new SerialPort(vm);
    serial.send(Buffer.from(`${line}\n`));
    await this.untilOff(vm);
    serial.close();
  }

  async untilOff(vm: VirtualMachine): Promise<void> {
    await this.#until(`${vm.name} switches off`, BOOT_LIMIT_MS, async () => this.rack.isAsleep(vm));
  }

  /** Sector by sector, the unused blocks too: they were zero on both. */
  assertSameDisk(path: string, golden: string): void {
    const [found, wanted] = [readDisk(path), readDisk(golden)];
    const sectors = Array.from({ length: wanted.length / SECTOR_BYTES }, (_, sector) => sector);
    const different = sectors.filter((sector) => {
      const at = sector * SECTOR_BYTES;
      return wanted.compare(found, at, at + SECTOR_BYTES, at, at + SECTOR_BYTES) !== 0;
    });
    assert.deepEqual(different, [], `sectors of ${path} that are not the golden disk's`);
  }

  async #until(what: string, limitMs: number, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await isSo())) {
      assert.ok(performance.now() < deadline, `not in ${limitMs / 1000} s: ${what}${this.#consoles()}`);
      await delay(POLL_MS);
    }
  }

  #consoles(): string {
    const tail = (text: string) => text.trimEnd().split('\n').slice(-25).join('\n');
    const machines = this.rack.machines.map(
      (vm) => `\n--- serial console of ${vm.name}\n${tail(this.rack.serialText(vm))}`,
    );
    return `${machines.join('')}\n--- daemon\n${tail(readFileSync(this.lab.daemonLog, 'utf8'))}\n`;
  }
}

/** The disk without the cylinders, heads and sectors in its MBR: sfdisk(8) reckons them by what the kernel says of the device. */
function readDisk(path: string): Buffer {
  const disk = readFileSync(path);
  for (let entry = 446; entry < 510; entry += 16) {
    disk.fill(0, entry + 1, entry + 4);
    disk.fill(0, entry + 5, entry + 8);
  }
  return disk;
}

/** The boot assets of this tree, up to date. */
export function buildBootAssets(): Promise<string> {
  return readyBootAssets(() => {});
}
