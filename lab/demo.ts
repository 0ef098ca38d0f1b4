/**
 * `npm run demo [-- --hosts N --vm --json --keep --link-mbit N --used-mib N]`: the whole road of one deployment on a virtual
 * network, with the commands that an admin would type. With `--vm` two of the hosts are virtual machines with real firmware.
 * Exit code 0 only when every disk was found right by foreign programs, and every virtual machine booted what was restored.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { ImageView } from '#protocol/admin/image-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { type BareCast, runBareCast } from './bare-cast.ts';
import { readyBootAssets } from './boot-cache.ts';
import { bootableDiskBytes, buildBootableDisk } from './bootable-disk.ts';
import { DEMO_USAGE, type DemoOptions, readDemoOptions } from './demo-options.ts';
import { demoSummary, demoTable, outcomeOf } from './demo-report.ts';
import { DemoVms } from './demo-vms.ts';
import { checkDisks, readDiskFacts } from './foreign-check.ts';
import { buildGoldenDisk, planGoldenDisk } from './golden-disk.ts';
import { Lab } from './lab.ts';
import { GOLDEN } from './machines.ts';
import { requireRoot } from './require-root.ts';
import { keepRun, scratchOf } from './run-folder.ts';
import { requireVirtualMachines, vmFirmwareTitles } from './virtual-machine.ts';

const GROUP = 'room';
const IMAGE = 'demo';
/** 42 programs that start at once on two cores need a while, and so does emulated firmware. */
const REGISTER_LIMIT_MS = 300_000;
const SHUTDOWN_LIMIT_MS = 60_000;
const POLL_MS = 250;

const EXIT_SOME_FAILED = 3;
const EXIT_USAGE = 2;
const EXIT_DENIED = 12;

async function main(): Promise<number> {
  let options: DemoOptions;
  try {
    options = readDemoOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n  Next: ${DEMO_USAGE}`);
    return EXIT_USAGE;
  }
  const interrupt = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const, ['SIGHUP', 129] as const]) {
    process.on(signal, () => {
      if (exitCode === undefined) console.error(`\n${signal}: taking the lab down`);
      exitCode ??= code;
      interrupt.abort();
    });
  }
  try {
    const allRight = await runDemo(options, interrupt.signal);
    return exitCode ?? (allRight ? 0 : EXIT_SOME_FAILED);
  } catch (error) {
    if (exitCode !== undefined) return exitCode;
    if (!(error instanceof KnownError)) throw error;
    console.error(`${error.code}: ${error.message}\n  Next: ${error.next}`);
    return error.code === 'NOT_ROOT' ? EXIT_DENIED : 1;
  }
}

/** True when every host has the image, by the word of foreign programs. The lab is gone when this ends, unless it is to be kept. */
async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const beganAtMs = performance.now();
  requireRoot('The virtual lab');
  const assets = options.vms.length > 0 ? await prepareForVms(signal) : undefined;
  const light = Array.from({ length: options.hosts - options.vms.length }, (_, i) => lightName(i));
  const diskBytes =
    assets === undefined ? planGoldenDisk(options.usedMiB, 1).diskBytes : bootableDiskBytes(options.usedMiB);
  const lab = await Lab.create({ hosts: [GOLDEN, ...light], linkMbit: options.linkMbit, diskBytes, onNotice: say });
  let isKept = false;
  let vms: DemoVms | undefined;
  try {
    signal.throwIfAborted();
    vms = await DemoVms.plugIn(lab, options.vms, diskBytes);
    const names = [...light, ...vms.all.map(({ name }) => name)];
    say(
      `Lab ${lab.folder.run}: a switch, a server, ${light.length} light hosts${describeVms(vms)} and the golden machine.`,
    );
    say(`The server's link runs at ${options.linkMbit} Mbit/s, so that this machine is not what is measured.`);
    const goldenDisk = lab.diskOf(lab.host(GOLDEN));
    const scratch = scratchOf(lab.folder);
    const { usedMiB } = options;
    if (assets === undefined) {
      say(`Building the golden disk (GPT: FAT32 ESP, ext4 with ${usedMiB} MiB of files, swap) …`);
      await buildGoldenDisk({ path: goldenDisk, workDir: scratch, usedMiB }, signal);
    } else {
      say(
        `Building a golden disk that boots (MBR: FAT32 with loaders and a kernel, ext4 with ${usedMiB} MiB of files) …`,
      );
      await buildBootableDisk({ path: goldenDisk, workDir: scratch, assets, name: GOLDEN, usedMiB });
      lab.giveBootAssets(assets);
    }

    showCommand(['serve', '--config', lab.configPath], `ip netns exec ${lab.topology.serverNamespace} `);
    await lab.startDaemon({ moreConfig: vms.daemonConfig });
    await command(lab, ['host', 'import', lab.writeHostList(GROUP, names, vms.all)], signal);

    say('Powering all machines on …');
    for (const host of lab.topology.hosts) lab.powerOn(host);
    vms.powerOn();
    await untilRegistered(lab, vms, signal);
    await command(lab, ['host', 'list'], signal);
    await command(lab, ['capture', GOLDEN, '--as', IMAGE], signal);
    await command(lab, ['image', 'show', IMAGE], signal);

    const deployed = await command(lab, ['deploy', IMAGE, '--group', GROUP, '--yes', '--watch'], signal, [0, 3]);
    const session = await newestDeployment(lab);
    const image = (await lab.get(`/api/v1/images/${IMAGE}`)) as ImageView;

    if (vms.all.length > 0) say('The virtual machines start again, now from the disks that were restored …');
    const booted = await vms.untilBooted(session, signal);
    say('Checking every disk with sfdisk, blkid, e2fsck, debugfs, fsck.fat, mtools and b3sum …');
    await untilAsleep(lab, light, signal);
    const golden = await readDiskFacts(goldenDisk, scratch, signal);
    const disks = names.map((name) => vms!.diskOf(name) ?? lab.diskOf(lab.host(name)));
    const checks = await checkDisks(golden, disks, { workDir: scratchOf(lab.folder), signal });
    const outcomes = names.map((name, i) => outcomeOf(name, session, checks[i]!, booted));

    const bare = await measureBareCast(lab, session, signal);
    console.log(`\n${demoTable(outcomes)}`);
    const totals = { session, image, bare, outcomes, vms: booted, linkMbit: options.linkMbit };
    const { lines, json } = demoSummary({ ...totals, demoSeconds: (performance.now() - beganAtMs) / 1000 });
    for (const line of lines) console.log(line);
    if (options.keep) {
      isKept = true;
      keepRun(lab.folder);
      tellHowToPlay(lab, vms);
    }
    if (options.vms.length === 0) say('With real firmware, from power-on to the restored system: npm run demo -- --vm');
    if (options.json) console.log(JSON.stringify(json));
    return deployed === 0 && outcomes.every(({ isRight }) => isRight);
  } catch (error) {
    if (!signal.aborted) showLastWords(lab, vms);
    throw error;
  } finally {
    if (!isKept) await lab.takeDown();
  }
}

/** The logs go with the lab: what may explain a failure is shown before. */
function showLastWords(lab: Lab, vms: DemoVms | undefined): void {
  const consoles = lab.topology.hosts.slice(0, 2).map((host) => lab.consoleOf(host));
  for (const path of [lab.daemonLog, ...consoles, ...(vms?.consolePaths ?? [])]) {
    if (!existsSync(path)) continue;
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-15);
    console.error(`\n--- last lines of ${path}\n${lines.join('\n')}`);
  }
}

/** Runs a CLI command as an admin would see it. Throws PROGRAM_FAILED for an exit code that is not foreseen. */
async function command(lab: Lab, args: readonly string[], signal: AbortSignal, okCodes = [0]): Promise<number> {
  showCommand(args);
  const { exitCode, stderr } = await lab.fleetcast(args, { signal, show: true });
  if (okCodes.includes(exitCode)) return exitCode;
  const values = { program: `fleetcast ${args[0]}`, outcome: `exit code ${exitCode}`, stderr: stderr.trim() };
  throw knownError('PROGRAM_FAILED', { ...values, command: `fleetcast ${args.join(' ')}` });
}

function showCommand(args: readonly string[], prefix = ''): void {
  console.log(`\n$ ${prefix}fleetcast ${args.join(' ')}`);
}

/** Every host has told the server its disks. */
async function untilRegistered(lab: Lab, vms: DemoVms, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + REGISTER_LIMIT_MS;
  for (;;) {
    vms.tellNews();
    const hosts = (await lab.get('/api/v1/hosts')) as HostView[];
    const missing = hosts.filter((host) => host.inventory === undefined);
    if (missing.length === 0) return;
    const light = lab.topology.hosts.find((host) => !lab.isPluggedIn(host));
    const unplugged = light ? { name: light.name, console: lab.consoleOf(light) } : vms.findUnplugged();
    if (unplugged !== undefined) {
      const reason = `its program ended; see the last lines of ${unplugged.console}`;
      throw knownError('AGENT_FAILED', { host: unplugged.name, reason });
    }
    if (performance.now() > deadline) {
      const reason = `${missing.map(({ name }) => name).join(', ')} did not come; see the consoles in ${lab.folder.path}`;
      throw knownError('AGENT_FAILED', { host: missing[0]!.name, reason });
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

/** Every host that succeeded has rebooted into its local disk. Those that failed stay as they are. */
async function untilAsleep(lab: Lab, names: readonly string[], signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + SHUTDOWN_LIMIT_MS;
  while (names.some((name) => !lab.isAsleep(lab.host(name))) && performance.now() < deadline) {
    await delay(POLL_MS, undefined, { signal });
  }
}

async function newestDeployment(lab: Lab): Promise<SessionView> {
  const sessions = (await lab.get('/api/v1/sessions?limit=10')) as SessionView[];
  const { sessionId } = sessions.filter(({ kind }) => kind === 'deploy').sort((a, b) => b.sessionId - a.sessionId)[0]!;
  return (await lab.get(`/api/v1/sessions/${sessionId}`)) as SessionView;
}

/** The same number of bytes to the same number of hosts, with udpcast alone. Undefined when there was no cast. */
async function measureBareCast(lab: Lab, session: SessionView, signal: AbortSignal): Promise<BareCast | undefined> {
  const first = session.casts[0];
  if (first === undefined) return undefined;
  say(`Measuring udp-sender and udp-receiver alone: ${first.bytes} bytes to ${first.receivers} hosts …`);
  return runBareCast(lab, lab.topology.hosts.slice(1, 1 + first.receivers), first.bytes, signal);
}

/** What the virtual machines need, made before there is a lab. Throws PROGRAM_MISSING. Gives the folder of the boot assets. */
async function prepareForVms(signal: AbortSignal): Promise<string> {
  requireVirtualMachines();
  say('Boot assets: kernel, agent and boot loaders (built when they are not up to date, about a minute) …');
  const assets = await readyBootAssets((line) => console.log(`  ${line}`));
  signal.throwIfAborted();
  return assets;
}

function lightName(index: number): string {
  return `pc-${String(index + 1).padStart(2, '0')}`;
}

function describeVms(vms: DemoVms): string {
  if (vms.all.length === 0) return '';
  const named = vms.all.map(({ name, firmware }) => `${name} with ${vmFirmwareTitles[firmware]}`);
  return `, ${vms.all.length} virtual machines (${named.join(', ')})`;
}

function tellHowToPlay(lab: Lab, vms: DemoVms): void {
  const { serverNamespace, hosts } = lab.topology;
  const on = `bin/fleetcast --socket ${lab.socketPath}`;
  console.log(
    [
      '',
      'The lab stays up. To play with it:',
      `  ${on} host list`,
      `  ${on} deploy ${IMAGE} --group ${GROUP} --yes --watch     (the hosts sleep: they are woken)`,
      `  ${on} session list`,
      `  tail -f ${lab.daemonLog} ${lab.consoleOf(hosts[1]!)}`,
      `  ip netns exec ${serverNamespace} bash                      (a shell on the server)`,
      `  ip netns exec ${hosts[1]!.namespace} bash                    (a shell on the network of ${hosts[1]!.name})`,
      `  ls ${join(lab.folder.path, 'disks')}`,
      ...vms.consolePaths.map((path) => `  tail -f ${path}`),
      `To remove it: npm run lab:clean -- --lab ${lab.folder.run}`,
      '',
    ].join('\n'),
  );
}

function say(sentence: string): void {
  console.log(`\n# ${sentence}`);
}

process.exitCode = await main();
