/** The virtual machines of a lab: plugs them into its switch, switches them on, reads their consoles. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';
import type { Lab } from './lab.ts';
import { endProcesses, isAlive, type ProcessRecord } from './process-record.ts';
import { forgetProcess } from './run-folder.ts';
import {
  makeVirtualMachine,
  planVirtualMachine,
  type VirtualMachine,
  type VmFirmware,
  vmFiles,
} from './virtual-machine.ts';

/** The switch has an address of its own, so that sleeping machines hear magic packets to the network's broadcast address. */
const SWITCH_ADDRESS = '10.77.0.9/24';
/** One address for each of MAX_VIRTUAL_MACHINES, above those of light hosts (topology.ts). */
const POOL = { first: '10.77.0.250', last: '10.77.0.254' };

export interface VmOptions {
  readonly name: string;
  readonly firmware: VmFirmware;
  readonly diskBytes: number;
  readonly memoryMiB?: number;
  /** It has a first network card besides, where nobody answers. */
  readonly hasIdleCard?: boolean;
}

export class VmRack {
  readonly #lab: Lab;
  readonly #machines: VirtualMachine[] = [];
  #hosts = new Map<string, ProcessRecord>();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** The virtual machines of a lab that another program made and left up. */
  static attach(lab: Lab): VmRack {
    const rack = new VmRack(lab);
    const folder = join(lab.folder.path, 'vms');
    const machines = (existsSync(folder) ? readdirSync(folder) : [])
      .map((name) => JSON.parse(readFileSync(join(folder, name, 'machine.json'), 'utf8')) as VirtualMachine)
      .sort((a, b) => a.port.localeCompare(b.port));
    rack.#machines.push(...machines);
    return rack;
  }

  get machines(): readonly VirtualMachine[] {
    return this.#machines;
  }

  /** Lines of the daemon's config: DHCP for every machine and TFTP of its own, as on a network of its own, and boot messages on the machines' serial consoles. */
  get daemonConfig(): string {
    return [
      '[boot]',
      'kernel_args = "console=ttyS0 quiet"',
      'dhcp = "full"',
      'dhcp_clients = "all"',
      '[[boot.subnet]]',
      'network = "10.77.0.0/24"',
      `pool_first = "${POOL.first}"`,
      `pool_last = "${POOL.last}"`,
      '',
    ].join('\n');
  }

  /** Makes a machine and plugs it into the switch. It is off. */
  async add(options: VmOptions): Promise<VirtualMachine> {
    const { folder, topology } = this.#lab;
    const vm = planVirtualMachine({
      run: topology.run,
      index: this.#machines.length,
      folder: join(folder.path, 'vms', options.name),
      ...options,
    });
    makeVirtualMachine(vm, options.diskBytes);
    writeFileSync(this.#fileOf(vm, 'machine.json'), JSON.stringify(vm, null, 2));
    const lines = [
      ...(this.#machines.length === 0 ? [`address add ${SWITCH_ADDRESS} brd + dev fc-br`] : []),
      `tuntap add dev ${vm.port} mode tap`,
      `link set ${vm.port} addrgenmode none master fc-br up`,
      ...(vm.idleCard === undefined
        ? []
        : [`tuntap add dev ${vm.idleCard.port} mode tap`, `link set ${vm.idleCard.port} addrgenmode none up`]),
    ];
    await run(['ip', '-n', topology.switchNamespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    this.#machines.push(vm);
    return vm;
  }

  /** Plugs the power in. `asleep`: it waits for a magic packet. */
  powerOn(vm: VirtualMachine, power: 'on' | 'asleep' = 'on'): void {
    if (this.isPluggedIn(vm)) throw new RangeError(`${vm.name} is already plugged in`);
    const argv = ['bin/node', 'lab/virtual-host.ts', this.#fileOf(vm, 'machine.json'), power];
    const record = this.#lab.start(vm.name, this.#lab.topology.switchNamespace, argv, this.powerLogOf(vm));
    this.#hosts.set(vm.name, record);
  }

  /** False when its program has ended, which it never does by itself. */
  isPluggedIn(vm: VirtualMachine): boolean {
    return this.#hostOf(vm) !== undefined;
  }

  /** Pulls the plug. */
  async cutPower(vm: VirtualMachine): Promise<void> {
    const host = this.#hostOf(vm);
    this.#hosts.delete(vm.name);
    if (host === undefined) return;
    await endProcesses([host], 5000);
    forgetProcess(this.#lab.folder, host.pid);
  }

  /** It has switched itself off and waits for a magic packet. */
  isAsleep(vm: VirtualMachine): boolean {
    return readText(this.powerLogOf(vm)).trimEnd().split('\n').at(-1)?.includes('powered off') ?? false;
  }

  diskOf(vm: VirtualMachine): string {
    return this.#fileOf(vm, vmFiles.disk);
  }

  /** When it was switched on and off. */
  powerLogOf(vm: VirtualMachine): string {
    return this.#fileOf(vm, 'power.log');
  }

  serialLogOf(vm: VirtualMachine): string {
    return this.#fileOf(vm, vmFiles.serialLog);
  }

  /** Everything that its serial console ever said. */
  serialText(vm: VirtualMachine): string {
    return readText(this.serialLogOf(vm));
  }

  /** Its power supply, also when another program plugged it in. */
  #hostOf(vm: VirtualMachine): ProcessRecord | undefined {
    const host = this.#hosts.get(vm.name);
    return host !== undefined && isAlive(host) ? host : this.#lab.findRunning(vm.name);
  }

  #fileOf(vm: VirtualMachine, name: string): string {
    mkdirSync(vm.folder, { recursive: true });
    return join(vm.folder, name);
  }
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
