/**
 * `npm run demo [-- --hosts N --json --keep --link-mbit N --used-mib N]`: the whole road of one deployment on a virtual
 * network, with the commands that an admin would type. Exit code 0 only when every disk was found right by foreign programs.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { HostView, ImageView, SessionView } from '#protocol/admin-api.ts';
import { KnownError, knownError } from '#protocol/errors.ts';
import { type BareCast, runBareCast } from './bare-cast.ts';
import { demoSummary, demoTable, type HostOutcome } from './demo-report.ts';
import { type CheckResult, checkDisks, readDiskFacts } from './foreign-check.ts';
import { buildGoldenDisk, DEFAULT_USED_MIB, planGoldenDisk } from './golden-disk.ts';
import { Lab } from './lab.ts';
import { scratchOf } from './run-folder.ts';
import { MAX_LAB_HOSTS } from './topology.ts';

const GOLDEN = 'golden';
const GROUP = 'room';
const IMAGE = 'demo';
/** 42 programs that start at once on two cores need a while. */
const REGISTER_LIMIT_MS = 180_000;
const SHUTDOWN_LIMIT_MS = 60_000;
const POLL_MS = 250;

const EXIT_SOME_FAILED = 3;
const EXIT_USAGE = 2;
const EXIT_DENIED = 12;

interface DemoOptions {
  readonly hosts: number;
  readonly linkMbit: number;
  readonly usedMiB: number;
  readonly json: boolean;
  readonly keep: boolean;
}

/** A rate at which two cores are not the limit (measured: 42 agents hold 10 Mbit/s, 8 hold 50 to 100). */
function linkMbitFor(hosts: number): number {
  if (hosts <= 4) return 100;
  if (hosts <= 8) return 50;
  return hosts <= 16 ? 25 : 10;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return EXIT_USAGE;
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
  const names = Array.from({ length: options.hosts }, (_, i) => `pc-${String(i + 1).padStart(2, '0')}`);
  const lab = await Lab.create({
    hosts: [GOLDEN, ...names],
    linkMbit: options.linkMbit,
    diskBytes: planGoldenDisk(options.usedMiB, 1).diskBytes,
    onNotice: say,
  });
  let isKept = false;
  try {
    signal.throwIfAborted();
    say(`Lab ${lab.folder.run}: a switch, a server, ${names.length} hosts and the golden machine.`);
    say(`The server's link runs at ${options.linkMbit} Mbit/s, so that this machine is not what is measured.`);
    say(`Building the golden disk (GPT: FAT32 ESP, ext4 with ${options.usedMiB} MiB of files, swap) …`);
    const goldenDisk = lab.diskOf(lab.host(GOLDEN));
    const scratch = scratchOf(lab.folder);
    await buildGoldenDisk({ path: goldenDisk, workDir: scratch, usedMiB: options.usedMiB }, signal);

    showCommand(['serve', '--config', lab.configPath], `ip netns exec ${lab.topology.serverNamespace} `);
    await lab.startDaemon();
    await command(lab, ['host', 'import', lab.writeHostList(GROUP, names)], signal);

    say('Powering all machines on …');
    for (const host of lab.topology.hosts) lab.powerOn(host);
    await untilRegistered(lab, signal);
    await command(lab, ['host', 'list'], signal);
    await command(lab, ['capture', GOLDEN, '--as', IMAGE], signal);
    await command(lab, ['image', 'show', IMAGE], signal);

    const deployed = await command(lab, ['deploy', IMAGE, '--group', GROUP, '--yes', '--watch'], signal, [0, 3]);
    const session = await newestDeployment(lab);
    const image = (await lab.get(`/api/v1/images/${IMAGE}`)) as ImageView;

    say('Checking every disk with sfdisk, blkid, e2fsck, debugfs, fsck.fat, mtools and b3sum …');
    await untilAsleep(lab, names, signal);
    const golden = await readDiskFacts(goldenDisk, scratch, signal);
    const disks = names.map((name) => lab.diskOf(lab.host(name)));
    const checks = await checkDisks(golden, disks, { workDir: scratchOf(lab.folder), signal });
    const outcomes = names.map((name, i) => outcomeOf(name, session, checks[i]!));

    const bare = await measureBareCast(lab, session, signal);
    console.log(`\n${demoTable(outcomes)}`);
    const totals = { session, image, bare, outcomes, linkMbit: options.linkMbit };
    const { lines, json } = demoSummary({ ...totals, demoSeconds: (performance.now() - beganAtMs) / 1000 });
    for (const line of lines) console.log(line);
    if (options.keep) {
      isKept = true;
      tellHowToPlay(lab);
    }
    if (options.json) console.log(JSON.stringify(json));
    return deployed === 0 && outcomes.every(({ isRight }) => isRight);
  } catch (error) {
    if (!signal.aborted) showLastWords(lab);
    throw error;
  } finally {
    if (!isKept) await lab.takeDown();
  }
}

/** The logs go with the lab: what may explain a failure is shown before. */
function showLastWords(lab: Lab): void {
  for (const path of [lab.daemonLog, ...lab.topology.hosts.slice(0, 2).map((host) => lab.consoleOf(host))]) {
    if (!existsSync(path)) continue;
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-15);
    console.error(`\n--- last lines of ${path}\n${lines.join('\n')}`);
  }
}

function readOptions(): DemoOptions | undefined {
  try {
    const { values } = parseArgs({
      options: {
        hosts: { type: 'string', default: '8' },
        'link-mbit': { type: 'string' },
        'used-mib': { type: 'string', default: String(DEFAULT_USED_MIB) },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
      },
    });
    const hosts = wholeNumber('--hosts', values.hosts, 1, MAX_LAB_HOSTS - 1);
    return {
      hosts,
      linkMbit: wholeNumber('--link-mbit', values['link-mbit'] ?? String(linkMbitFor(hosts)), 1, 10_000),
      usedMiB: wholeNumber('--used-mib', values['used-mib'], 8, 16_384),
      json: values.json,
      keep: values.keep,
    };
  } catch (error) {
    console.error(
      `${(error as Error).message}\n  Next: npm run demo -- [--hosts N] [--json] [--keep] [--link-mbit N] [--used-mib N]`,
    );
    return undefined;
  }
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${option} takes a whole number from ${least} to ${most}, not ${text}`);
  }
  return value;
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
async function untilRegistered(lab: Lab, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + REGISTER_LIMIT_MS;
  for (;;) {
    const hosts = (await lab.get('/api/v1/hosts')) as HostView[];
    const missing = hosts.filter((host) => host.inventory === undefined);
    if (missing.length === 0) return;
    const unplugged = lab.topology.hosts.find((host) => !lab.isPluggedIn(host));
    if (unplugged !== undefined) {
      const reason = `its program ended; see the last lines of ${lab.consoleOf(unplugged)}`;
      throw knownError('AGENT_FAILED', { host: unplugged.name, reason });
    }
    if (performance.now() > deadline) {
      const reason = `${missing.map(({ name }) => name).join(', ')} did not come; see ${lab.consoleOf(lab.host(missing[0]!.name))}`;
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

function outcomeOf(name: string, session: SessionView, check: CheckResult): HostOutcome {
  const task = session.tasks.find(({ host }) => host === name);
  const problems =
    task?.state === 'succeeded' ? check.problems : [task?.error?.message ?? 'took no part', ...check.problems];
  return { name, task, files: check.files, problems, isRight: problems.length === 0 };
}

/** The same number of bytes to the same number of hosts, with udpcast alone. Undefined when there was no cast. */
async function measureBareCast(lab: Lab, session: SessionView, signal: AbortSignal): Promise<BareCast | undefined> {
  const first = session.casts[0];
  if (first === undefined) return undefined;
  say(`Measuring udp-sender and udp-receiver alone: ${first.bytes} bytes to ${first.receivers} hosts …`);
  return runBareCast(lab, lab.topology.hosts.slice(1, 1 + first.receivers), first.bytes, signal);
}

function tellHowToPlay(lab: Lab): void {
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
      'To remove it: npm run lab:clean',
      '',
    ].join('\n'),
  );
}

function say(sentence: string): void {
  console.log(`\n# ${sentence}`);
}

process.exitCode = await main();
