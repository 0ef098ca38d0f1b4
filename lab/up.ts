/**
 * Makes a lab and leaves it up, to try fleetcast by hand: `eval "$(bin/node lab/up.ts --hosts 4)"` sets LAB (its folder) and
 * SERVER (the server's namespace). The golden machine and the hosts are off until `bin/node lab/power-on.ts $LAB`; no server
 * runs yet. `npm run lab:clean -- --lab $LAB` takes it down.
 */
import { parseArgs } from 'node:util';
import { KnownError } from '#protocol/errors.ts';
import { buildGoldenDisk, planGoldenDisk } from './golden-disk.ts';
import { Lab } from './lab.ts';
import { keepRun, scratchOf } from './run-folder.ts';

const USED_MIB = 96;
const LINK_MBIT = 100;

const { values } = parseArgs({ options: { hosts: { type: 'string', default: '4' } } });
const names = Array.from({ length: Number(values.hosts) }, (_, i) => `pc-${String(i + 1).padStart(2, '0')}`);
try {
  const diskBytes = planGoldenDisk(USED_MIB, 1).diskBytes;
  const lab = await Lab.create({ hosts: ['golden', ...names], linkMbit: LINK_MBIT, diskBytes, onNotice: tell });
  try {
    tell(`Building the golden disk (${USED_MIB} MiB of files) …`);
    const path = lab.diskOf(lab.host('golden'));
    await buildGoldenDisk({ path, workDir: scratchOf(lab.folder), usedMiB: USED_MIB });
    lab.writeConfig();
    lab.writeHostList('room', names);
  } catch (error) {
    await lab.takeDown();
    throw error;
  }
  keepRun(lab.folder);
  const { run } = lab.folder;
  tell(`Lab ${run} is up: golden, ${names.join(', ')}. To remove it: npm run lab:clean -- --lab ${run}`);
  console.log(`export LAB=${lab.folder.path} SERVER=${lab.topology.serverNamespace}`);
} catch (error) {
  if (!(error instanceof KnownError)) throw error;
  tell(`${error.code}: ${error.message}\n  Next: ${error.next}`);
  process.exitCode = error.code === 'NOT_ROOT' ? 12 : 1;
}

/** Not on stdout: that is for the shell. */
function tell(sentence: string): void {
  console.error(sentence);
}
