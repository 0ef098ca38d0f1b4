/**
 * `npm run lab [-- --hosts N --vms N --firmware bios,uefi,secure-boot,http …]`: a lab to play with. A switch, a server with the
 * daemon, a golden machine, light hosts and virtual machines; says how to reach each, then tells what they do until Ctrl-C, which
 * ends and removes everything.
 */
import { setTimeout as delay } from 'node:timers/promises';
import Table from 'cli-table3';
import { programFailed } from '#system/run.ts';
import { readyBootAssets } from './boot-cache.ts';
import { bootableDiskBytes, buildBootableDisk } from './bootable-disk.ts';
import { buildGoldenDisk, planGoldenDisk } from './golden-disk.ts';
import { Lab } from './lab.ts';
import { runLabProgram } from './lab-program.ts';
import { MachineNews } from './machine-news.ts';
import { GOLDEN, Machines } from './machines.ts';
import { PLAY_USAGE, type PlayOptions, readPlayOptions } from './play-options.ts';
import { requireRoot } from './require-root.ts';
import { scratchOf } from './run-folder.ts';
import { requireVirtualMachines } from './virtual-machine.ts';
import { VmRack } from './vm-rack.ts';

const GROUP = 'room';
const LOOK_EVERY_MS = 500;
const EXIT_INTERRUPTED = 130;

await runLabProgram(PLAY_USAGE, async () => {
  const options = readPlayOptions(process.argv.slice(2));
  requireRoot('The virtual lab');
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!ended.signal.aborted) console.log(`\n${signal}: taking the lab down`);
      ended.abort();
    });
  }
  try {
    await play(options, ended.signal);
    return 0;
  } catch (error) {
    if (ended.signal.aborted) return EXIT_INTERRUPTED;
    throw error;
  }
});

/** Returns when a lab that was up has been ended; throws when it did not come up, or its daemon has ended. */
async function play(options: PlayOptions, signal: AbortSignal): Promise<void> {
  const { usedMiB, linkMbit, vms } = options;
  const assets = vms.length > 0 ? await prepareForVms() : undefined;
  signal.throwIfAborted();
  const diskBytes = assets === undefined ? planGoldenDisk(usedMiB, 1).diskBytes : bootableDiskBytes(usedMiB);
  const names = Array.from({ length: options.hosts }, (_, i) => `pc-${String(i + 1).padStart(2, '0')}`);
  const lab = await Lab.create({ hosts: [GOLDEN, ...names], linkMbit, diskBytes, onNotice: console.log });
  try {
    const rack = new VmRack(lab);
    for (const [i, firmware] of vms.entries()) await rack.add({ name: `vm-${i + 1}`, firmware, diskBytes });
    console.log(`Building the golden disk (${usedMiB} MiB of files) …`);
    const disk = { path: lab.diskOf(lab.host(GOLDEN)), workDir: scratchOf(lab.folder), usedMiB };
    if (assets === undefined) await buildGoldenDisk(disk, signal);
    else {
      await buildBootableDisk({ ...disk, assets, name: GOLDEN });
      lab.giveBootAssets(assets);
    }
    signal.throwIfAborted();
    await lab.startDaemon({ moreConfig: assets === undefined ? '' : rack.daemonConfig });
    const members = [...names, ...rack.machines.map(({ name }) => name)];
    await mustRun(lab, ['host', 'import', lab.writeHostList(GROUP, members, rack.machines)]);
    const machines = new Machines(lab, rack);
    if (!options.isOff) for (const machine of machines.all) await machines.switchOn(machine);
    console.log(describeLab(lab, machines));
    await tellUntilEnded(lab, machines, signal);
  } finally {
    await lab.takeDown();
    console.log(`Lab ${lab.folder.run} is gone.`);
  }
}

async function prepareForVms(): Promise<string> {
  requireVirtualMachines();
  console.log('Boot assets: kernel, agent and boot loaders (built when they are not up to date, about a minute) …');
  return readyBootAssets((line) => console.log(`  ${line}`));
}

async function mustRun(lab: Lab, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await lab.fleetcast(args);
  if (exitCode !== 0) throw programFailed(['fleetcast', ...args], `exit code ${exitCode}`, stderr);
}

function describeLab(lab: Lab, machines: Machines): string {
  const table = new Table({ head: ['number', 'name', 'what', 'MAC', 'its console'], style: { head: [], border: [] } });
  for (const { number, name, kind, mac } of machines.all) {
    table.push([number, name, kind, mac, `bin/node lab/console.ts ${number}`]);
  }
  const on = `bin/fleetcast --socket ${lab.socketPath}`;
  const { run } = lab.folder;
  return [
    `\nLab ${run} is up. All of it is ${lab.folder.path}; the server's link runs at ${lab.topology.linkMbit} Mbit/s.`,
    table.toString(),
    'From another terminal, as root, in this folder:',
    `  ${on} host list`,
    `  ${on} capture ${GOLDEN} --as demo`,
    `  ${on} deploy demo --group ${GROUP} --yes --watch`,
    '  bin/node lab/power.ts off 1          (on, off or reset; numbers, names or all)',
    `  tail -f ${lab.daemonLog}`,
    `  ip netns exec ${lab.topology.serverNamespace} bash     (a shell on the server)`,
    `With more than one lab up, add --lab ${run} to console.ts and power.ts.`,
    'Ctrl-C ends everything. What happens:\n',
  ].join('\n');
}

/** Throws PROGRAM_FAILED when the daemon ends by itself. */
async function tellUntilEnded(lab: Lab, machines: Machines, signal: AbortSignal): Promise<void> {
  const news = new MachineNews(machines, machines.all, (line) =>
    console.log(`${new Date().toTimeString().slice(0, 8)} ${line}`),
  );
  while (!signal.aborted) {
    news.tell();
    if (lab.findRunning('daemon') === undefined) {
      throw programFailed(['fleetcast', 'serve'], 'it has ended', lab.readDaemonLog());
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
