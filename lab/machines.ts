/** Every machine of a lab, light and virtual, by number and by name: what the lab's programs for people work with. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { run } from '#system/run.ts';
import { lastWords } from './console-words.ts';
import type { Lab } from './lab.ts';
import { LabUsageError } from './lab-program.ts';
import { inNamespace } from './network.ts';
import type { LabHost } from './topology.ts';
import { type VirtualMachine, vmFirmwareTitles } from './virtual-machine.ts';
import type { VmRack } from './vm-rack.ts';

/** `unplugged`: no magic packet wakes it. */
export type PowerState = 'unplugged' | 'asleep' | 'on';

export interface Machine {
  /** Virtual machines from 1, light hosts after them; the golden machine is 0. */
  readonly number: number;
  readonly name: string;
  /** `light host`, or a virtual machine's firmware. */
  readonly kind: string;
  readonly mac: string;
  /** All that it ever said. */
  readonly consolePath: string;
  /** Absent: a light host. */
  readonly vm?: VirtualMachine;
  /** Absent: a virtual machine. */
  readonly light?: LabHost;
}

export const GOLDEN = 'golden';

export class Machines {
  readonly all: readonly Machine[];
  readonly #lab: Lab;
  readonly #rack: VmRack;

  constructor(lab: Lab, rack: VmRack) {
    this.#lab = lab;
    this.#rack = rack;
    const numbered = [
      ...rack.machines.map((vm) => this.#virtual(vm)),
      ...lab.topology.hosts.filter(({ name }) => name !== GOLDEN).map((host) => this.#light(host)),
    ].map((machine, i) => ({ ...machine, number: i + 1 }));
    const golden = lab.topology.hosts.filter(({ name }) => name === GOLDEN);
    this.all = [...golden.map((host) => ({ ...this.#light(host), number: 0 })), ...numbered];
  }

  /** Throws LabUsageError that says which there are. */
  find(nameOrNumber: string): Machine {
    const found = this.all.find(({ name, number }) => name === nameOrNumber || String(number) === nameOrNumber);
    if (found !== undefined) return found;
    const known = this.all.map(({ name, number }) => `${number} ${name}`).join(', ');
    throw new LabUsageError(`The lab has no machine ${nameOrNumber}; it has ${known}`);
  }

  powerOf({ vm, light }: Machine): PowerState {
    const isPluggedIn = vm ? this.#rack.isPluggedIn(vm) : this.#lab.isPluggedIn(light!);
    if (!isPluggedIn) return 'unplugged';
    const isAsleep = vm ? this.#rack.isAsleep(vm) : this.#lab.isAsleep(light!);
    return isAsleep ? 'asleep' : 'on';
  }

  /** How long its console's log is, in bytes. */
  consoleBytesOf({ consolePath }: Machine): number {
    return existsSync(consolePath) ? statSync(consolePath).size : 0;
  }

  /** What it does now, by what its console has said from byte `from` on; undefined: nothing yet that people understand. */
  wordsOf({ consolePath }: Machine, from: number): string | undefined {
    return existsSync(consolePath) ? lastWords(readFileSync(consolePath).subarray(from).toString()) : undefined;
  }

  /** Presses the power button: one that sleeps is woken by a magic packet, one without power is plugged in. False: it is on. */
  async switchOn(machine: Machine): Promise<boolean> {
    const power = this.powerOf(machine);
    if (power === 'on') return false;
    if (power === 'asleep') {
      const argv = ['bin/node', 'lab/magic-packet.ts', machine.mac];
      await run(inNamespace(this.#lab.topology.serverNamespace, argv), { cwd: `${import.meta.dirname}/..` });
    } else if (machine.vm) this.#rack.powerOn(machine.vm);
    else this.#lab.powerOn(machine.light!);
    return true;
  }

  /** Pulls the plug. May be repeated. */
  async cutPower({ vm, light }: Machine): Promise<void> {
    if (vm) await this.#rack.cutPower(vm);
    else await this.#lab.cutPower(light!);
  }

  #virtual(vm: VirtualMachine): Omit<Machine, 'number'> {
    const consolePath = this.#rack.serialLogOf(vm);
    return { name: vm.name, kind: `VM with ${vmFirmwareTitles[vm.firmware]}`, mac: vm.mac, consolePath, vm };
  }

  #light(light: LabHost): Omit<Machine, 'number'> {
    const consolePath = this.#lab.consoleOf(light);
    return { name: light.name, kind: 'light host', mac: light.mac, consolePath, light };
  }
}
