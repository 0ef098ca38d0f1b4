/** `bin/node lab/power-on.ts LAB [MACHINE…]`: presses the power button of every machine, or of those named, of a lab that is up. */
import { Lab } from './lab.ts';
import { LabUsageError, runLabProgram } from './lab-program.ts';
import { Machines } from './machines.ts';
import { requireRoot } from './require-root.ts';
import { VmRack } from './vm-rack.ts';

await runLabProgram('bin/node lab/power-on.ts LAB [MACHINE…], with the LAB that lab/up.ts printed', async () => {
  const [path, ...names] = process.argv.slice(2);
  if (path === undefined) throw new LabUsageError('Which lab?');
  requireRoot('A lab');
  const lab = Lab.attach(path);
  const machines = new Machines(lab, VmRack.attach(lab));
  const wanted = names.length > 0 ? names.map((name) => machines.find(name)) : machines.all;
  for (const machine of wanted) await machines.switchOn(machine);
  console.log(`on: ${wanted.map(({ name }) => name).join(', ')}`);
  return 0;
});
