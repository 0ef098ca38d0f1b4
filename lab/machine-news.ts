/** Tells what machines are doing while one waits for them: a line whenever one of them begins something new. */
import type { Machine, Machines } from './machines.ts';

export class MachineNews {
  readonly #machines: Machines;
  readonly #watched: readonly Machine[];
  readonly #say: (line: string) => void;
  readonly #told = new Map<string, string>();
  /** Where the console of a machine was when it was last off: what it said before is over. */
  readonly #from = new Map<string, number>();

  constructor(machines: Machines, watched: readonly Machine[], say: (line: string) => void) {
    this.#machines = machines;
    this.#watched = watched;
    this.#say = say;
  }

  /** Looks at every console once; call it again and again. */
  tell(): void {
    for (const machine of this.#watched) {
      const now = this.#doingOf(machine);
      if (this.#told.get(machine.name) === now) continue;
      this.#told.set(machine.name, now);
      this.#say(`${machine.name} (${machine.kind}): ${now}`);
    }
  }

  #doingOf(machine: Machine): string {
    const power = this.#machines.powerOf(machine);
    if (power !== 'on') {
      this.#from.set(machine.name, this.#machines.consoleBytesOf(machine));
      return power === 'asleep' ? 'is off' : 'has no power';
    }
    return this.#machines.wordsOf(machine, this.#from.get(machine.name) ?? 0) ?? 'is on';
  }
}
