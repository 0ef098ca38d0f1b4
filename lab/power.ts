/**
 * `bin/node lab/power.ts on|off|reset MACHINE… [--lab RUN]`: the power of machines of a lab that is up, by number or name; `all`
 * is every one. `on` wakes one that sleeps by a magic packet; `off` pulls the plug; `reset` does both, without a warning.
 */
import { parseArgs } from 'node:util';
import { findLab } from './find-lab.ts';
import { LabUsageError, runLabProgram } from './lab-program.ts';
import { type Machine, Machines } from './machines.ts';
import { requireRoot } from './require-root.ts';
import { VmRack } from './vm-rack.ts';

type Action = (machines: Machines, machine: Machine) => Promise<string>;

const actions: Readonly<Record<string, Action>> = {
  on: async (machines, machine) => ((await machines.switchOn(machine)) ? 'is switched on' : 'is on already'),
  off: async (machines, machine) => {
    await machines.cutPower(machine);
    return 'has no power now';
  },
  reset: async (machines, machine) => {
    await machines.cutPower(machine);
    await machines.switchOn(machine);
    return 'starts again';
  },
};

await runLabProgram('bin/node lab/power.ts on|off|reset MACHINE… [--lab RUN]', async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { lab: { type: 'string' } } });
  const [name, ...wanted] = positionals;
  const action = name === undefined ? undefined : actions[name];
  if (action === undefined) throw new LabUsageError(`What is to be done: on, off or reset?`);
  if (wanted.length === 0) throw new LabUsageError('Which machines? By number or by name, or all');
  requireRoot('A lab');
  const lab = findLab(values.lab);
  const machines = new Machines(lab, VmRack.attach(lab));
  const chosen = wanted.includes('all') ? machines.all : wanted.map((each) => machines.find(each));
  for (const machine of chosen) console.log(`${machine.name} ${await action(machines, machine)}`);
  return 0;
});
