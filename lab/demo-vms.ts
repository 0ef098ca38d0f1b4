/** The virtual machines of the demo: real firmware that must bring up what was restored. */
import { setTimeout as delay } from 'node:timers/promises';
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { VmOutcome } from './demo-report.ts';
import type { Lab } from './lab.ts';
import { MachineNews } from './machine-news.ts';
import { Machines } from './machines.ts';
import { UP_LINE } from './up-line.ts';
import { type VirtualMachine, type VmFirmware, vmFirmwareTitles } from './virtual-machine.ts';
import { VmRack } from './vm-rack.ts';

/** From the end of the session to the word of the restored system; 30 s on two free cores. */
const BOOT_LIMIT_MS = 300_000;
const POLL_MS = 250;

export class DemoVms {
  readonly #rack: VmRack;
  readonly #news: MachineNews;

  private constructor(rack: VmRack, news: MachineNews) {
    this.#rack = rack;
    this.#news = news;
  }

  /** Machines `vm-1`, `vm-2` …, off. */
  static async plugIn(lab: Lab, firmwares: readonly VmFirmware[], diskBytes: number): Promise<DemoVms> {
    const rack = new VmRack(lab);
    for (const [index, firmware] of firmwares.entries()) {
      await rack.add({ name: `vm-${index + 1}`, firmware, diskBytes });
    }
    const machines = new Machines(lab, rack);
    const watched = machines.all.filter(({ vm }) => vm !== undefined);
    return new DemoVms(rack, new MachineNews(machines, watched, (line) => console.log(`${timeOfDay()} ${line}`)));
  }

  get all(): readonly VirtualMachine[] {
    return this.#rack.machines;
  }

  /** Lines of the daemon's config; none without virtual machines. */
  get daemonConfig(): string {
    return this.all.length > 0 ? this.#rack.daemonConfig : '';
  }

  powerOn(): void {
    for (const vm of this.all) this.#rack.powerOn(vm);
  }

  /** Where the console of one is that has lost its power. */
  findUnplugged(): { name: string; console: string } | undefined {
    const vm = this.all.find((machine) => !this.#rack.isPluggedIn(machine));
    return vm && { name: vm.name, console: this.#rack.powerLogOf(vm) };
  }

  diskOf(name: string): string | undefined {
    const vm = this.all.find((machine) => machine.name === name);
    return vm && this.#rack.diskOf(vm);
  }

  /** Serial consoles, for the last words after a failure. */
  get consolePaths(): string[] {
    return this.all.map((vm) => this.#rack.serialLogOf(vm));
  }

  /** Says what the machines have begun since it was last asked. */
  tellNews(): void {
    this.#news.tell();
  }

  /** Until every machine that was restored has said its line and is off, or the time is over. */
  async untilBooted(session: SessionView, signal: AbortSignal): Promise<VmOutcome[]> {
    const deadline = performance.now() + BOOT_LIMIT_MS;
    const restored = this.all.filter(({ name }) =>
      session.tasks.some(({ host, state }) => host === name && state === 'succeeded'),
    );
    const isDone = (vm: VirtualMachine) =>
      !this.#rack.isPluggedIn(vm) || (this.#lineOf(vm) !== undefined && this.#rack.isAsleep(vm));
    while (!restored.every(isDone) && performance.now() < deadline) {
      this.tellNews();
      await delay(POLL_MS, undefined, { signal });
    }
    this.tellNews();
    return this.all.map((vm) => ({ name: vm.name, firmware: vmFirmwareTitles[vm.firmware], line: this.#lineOf(vm) }));
  }

  #lineOf(vm: VirtualMachine): string | undefined {
    return UP_LINE.exec(this.#rack.serialText(vm))?.[0];
  }
}

function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8);
}
