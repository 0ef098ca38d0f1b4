/**
 * A virtual network with machines, of its own: makes it, starts programs in it, takes it all down again.
 * It knows the daemon, the CLI and the agent only as programs.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { AGENT_MAIN, writeAgentProgram } from '#pxe-assets/agent-program.ts';
import { programFailed } from '#system/run.ts';
import { askAdmin } from './admin-answer.ts';
import { agentsOf, signalPrograms } from './fault/running-program.ts';
import { removeRun } from './leftovers.ts';
import { addLightDisk, makeDiskFile, writeLightHardware } from './light-hardware.ts';
import { inNamespace, setUpNetwork } from './network.ts';
import { endProcesses, isAlive, type ProcessRecord, processesIn } from './process-record.ts';
import { raiseReceiveBuffer } from './receive-buffer.ts';
import { requireRoot } from './require-root.ts';
import { createRunFolder, forgetProcess, livingProcesses, noteProcess, type RunFolder } from './run-folder.ts';
import { type LabHost, planTopology, type Topology } from './topology.ts';

const ROOT = join(import.meta.dirname, '..');
const AGENT_PORT = 8470;
const TOPOLOGY_FILE = 'topology.json';
/** A daemon on a busy machine answers within this. */
const DAEMON_START_MS = 120_000;
const POLL_MS = 50;

export interface LabOptions {
  readonly hosts: readonly string[];
  /** Rate of the server's link, in Mbit/s. */
  readonly linkMbit: number;
  /** Size of each host's disk file; sparse, so that it costs only what is written. */
  readonly diskBytes: number;
  /** Told what the lab changes outside of itself. */
  readonly onNotice?: (sentence: string) => void;
}

export interface DaemonOptions {
  /** More lines of the config file, in TOML. */
  readonly moreConfig?: string;
  /** Default: the daemon's own. */
  readonly logLevel?: 'debug' | 'info';
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export class Lab {
  readonly topology: Topology;
  readonly folder: RunFolder;
  readonly socketPath: string;
  readonly configPath: string;
  readonly daemonLog: string;
  #daemon: ProcessRecord | undefined;
  #light = new Map<string, ProcessRecord>();
  #down: Promise<void> | undefined;

  private constructor(topology: Topology, folder: RunFolder) {
    this.topology = topology;
    this.folder = folder;
    this.socketPath = join(folder.path, 'admin.sock');
    this.configPath = join(folder.path, 'fleetcast.toml');
    this.daemonLog = join(folder.path, 'daemon.log');
  }

  /** Throws NOT_ROOT. When it fails half-way it leaves nothing behind. */
  static async create(options: LabOptions): Promise<Lab> {
    requireRoot('The virtual lab');
    const folder = createRunFolder();
    const lab = new Lab(planTopology(folder.run, options.hosts, options.linkMbit), folder);
    try {
      const notice = raiseReceiveBuffer();
      if (notice !== undefined) options.onNotice?.(notice);
      for (const name of ['disks', 'consoles', 'hardware', 'data']) mkdirSync(join(folder.path, name));
      writeFileSync(join(folder.path, TOPOLOGY_FILE), JSON.stringify(lab.topology));
      await writeAgentProgram(join(folder.path, 'agent'));
      symlinkSync(join(ROOT, 'node_modules'), join(folder.path, 'agent/node_modules'));
      await setUpNetwork(lab.topology);
      for (const host of lab.topology.hosts) lab.#makeMachine(host, options.diskBytes);
      return lab;
    } catch (error) {
      await lab.takeDown();
      throw error;
    }
  }

  /** A lab that another program made and left up. Throws ENOENT when there is none in that folder. */
  static attach(path: string): Lab {
    const topology = JSON.parse(readFileSync(join(path, TOPOLOGY_FILE), 'utf8')) as Topology;
    const lab = new Lab(topology, { run: topology.run, path });
    lab.#daemon = lab.findRunning('daemon');
    return lab;
  }

  /** Base URL of the agent API. */
  get agentUrl(): string {
    return `http://${this.topology.serverAddress}:${AGENT_PORT}`;
  }

  /** Gives the daemon its boot assets; before the daemon starts. `assets` is what `fleetcast boot build` made. */
  giveBootAssets(assets: string): void {
    symlinkSync(assets, join(this.folder.path, 'data/boot'));
  }

  host(name: string): LabHost {
    const found = this.topology.hosts.find((host) => host.name === name);
    if (found === undefined) throw new RangeError(`the lab has no host ${name}`);
    return found;
  }

  diskOf(host: LabHost): string {
    return join(this.folder.path, 'disks', `${host.name}.img`);
  }

  /** Puts one more disk into a machine that is not powered on: the file at `path`, empty unless it is there. Returns its serial number. */
  addDisk(host: LabHost, path: string, sizeBytes: number): string {
    const serial = addLightDisk(this.#hardwareOf(host), host, path);
    makeDiskFile(path, sizeBytes);
    return serial;
  }

  consoleOf(host: LabHost): string {
    return join(this.folder.path, 'consoles', `${host.name}.log`);
  }

  /** Starts `fleetcast serve` in the server's namespace and waits until it answers. Throws PROGRAM_FAILED with its last words. */
  async startDaemon(options: DaemonOptions = {}): Promise<void> {
    this.writeConfig(options.moreConfig);
    const logLevel = options.logLevel === undefined ? [] : ['--log-level', options.logLevel];
    const argv = ['bin/fleetcast', 'serve', '--config', this.configPath, ...logLevel];
    const daemon = this.start('daemon', this.topology.serverNamespace, argv, this.daemonLog);
    this.#daemon = daemon;
    const deadline = performance.now() + DAEMON_START_MS;
    while (!(await this.#daemonAnswers())) {
      if (!isAlive(daemon)) throw programFailed(argv, 'it ended at once', this.readDaemonLog());
      if (performance.now() > deadline) {
        throw programFailed(argv, `no answer in ${DAEMON_START_MS / 1000} s`, this.readDaemonLog());
      }
      await delay(POLL_MS);
    }
  }

  /** Everything that the daemon has logged. */
  readDaemonLog(): string {
    return readFileSync(this.daemonLog, 'utf8');
  }

  /** The daemon's config file. `more`: further lines of TOML; without a section [boot] DHCP and TFTP are off, as light hosts need neither. */
  writeConfig(more = ''): void {
    const { folder, socketPath, topology } = this;
    const lines = [
      '[daemon]',
      `data_dir = "${join(folder.path, 'data')}"`,
      `socket = "${socketPath}"`,
      '',
      '[network]',
      `interface = "${topology.interface}"`,
      `agent_port = ${AGENT_PORT}`,
    ];
    const boot = /^\[boot\]$/m.test(more) ? '' : '[boot]\ndhcp = "off"\ntftp = "off"\n';
    writeFileSync(this.configPath, `${lines.join('\n')}\n${boot}${more}`);
  }

  /** A list for `fleetcast host import`: every light host and `others`, those named in a group. Returns its path. */
  writeHostList(
    group: string,
    members: readonly string[],
    others: readonly { name: string; mac: string }[] = [],
  ): string {
    const path = join(this.folder.path, 'hosts.csv');
    const lines = [...this.topology.hosts, ...others].map(({ name, mac }) =>
      [name, mac, ...(members.includes(name) ? [group] : [])].join(),
    );
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  }

  /** SIGTERM is a stop in good order, SIGKILL a crash; either way it has ended when this returns. */
  async stopDaemon(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.#daemon = undefined;
    if (signal === 'SIGKILL' && isAlive(daemon)) process.kill(daemon.pid, 'SIGKILL');
    await endProcesses([daemon], 10_000);
    forgetProcess(this.folder, daemon.pid);
  }

  /** Plugs a host in. `asleep`: it waits for a magic packet. */
  powerOn(host: LabHost, power: 'on' | 'asleep' = 'on'): void {
    if (this.isPluggedIn(host)) throw new RangeError(`${host.name} is already plugged in`);
    const argv = [
      ...['bin/node', 'lab/light-host.ts', '--server', this.agentUrl],
      ...['--mac', host.mac, '--uuid', host.systemUuid, '--power', power],
      ...['--agent', join(this.folder.path, 'agent', AGENT_MAIN)],
      ...['--hardware', join(this.folder.path, 'hardware', `${host.name}.json`)],
    ];
    this.#light.set(host.name, this.start(host.name, host.namespace, argv, this.consoleOf(host)));
  }

  /** False when its program has ended, which a light host never does by itself. */
  isPluggedIn(host: LabHost): boolean {
    const firmware = this.#light.get(host.name);
    return (firmware !== undefined && isAlive(firmware)) || this.findRunning(host.name) !== undefined;
  }

  /** A program that the lab runs, whoever started it: by the name that `start` was given. */
  findRunning(what: string): ProcessRecord | undefined {
    return livingProcesses(this.folder).find((record) => record.what === what);
  }

  /** It has powered off and waits for a magic packet, by the last line of its console. */
  isAsleep(host: LabHost): boolean {
    if (!existsSync(this.consoleOf(host))) return false;
    const lines = readFileSync(this.consoleOf(host), 'utf8').trimEnd().split('\n');
    return lines.at(-1)?.includes('powered off') ?? false;
  }

  /** Pulls the plug: every program of the host is killed at once, without a word to anybody. */
  async cutPower(host: LabHost): Promise<void> {
    this.#light.delete(host.name);
    const all = processesIn([host.namespace]);
    for (const record of all) if (isAlive(record)) process.kill(record.pid, 'SIGKILL');
    await endProcesses(all, 0);
  }

  /** The agent dies at once; the machine goes on and boots again. False when none was running. */
  killAgent(host: LabHost): boolean {
    return signalPrograms(agentsOf(host), 'SIGKILL') > 0;
  }

  /** Starts a program that may outlive this one; its output goes to `logPath`. It is ended when the lab is taken down. */
  start(what: string, namespace: string, argv: readonly string[], logPath: string): ProcessRecord {
    const [program, ...args] = inNamespace(namespace, argv) as [string, ...string[]];
    const log = openSync(logPath, 'a');
    try {
      // Its own process group: a Ctrl-C in the terminal reaches the lab's owner only, which takes things down in order.
      const child = spawn(program, args, { cwd: ROOT, detached: true, stdio: ['ignore', log, log] });
      child.on('error', () => {}); // no pid: told below
      child.unref();
      if (child.pid === undefined) throw programFailed(argv, 'it could not be started', '');
      return noteProcess(this.folder, child.pid, what);
    } finally {
      closeSync(log);
    }
  }

  /** Runs a CLI command to its end. A bad exit code is an answer, not an error. */
  async fleetcast(
    args: readonly string[],
    options: { signal?: AbortSignal; show?: boolean } = {},
  ): Promise<CommandResult> {
    const result = await execa(join(ROOT, 'bin/fleetcast'), ['--socket', this.socketPath, ...args], {
      reject: false,
      stdin: 'ignore',
      stdout: options.show ? ['inherit', 'pipe'] : 'pipe',
      stderr: options.show ? ['inherit', 'pipe'] : 'pipe',
      forceKillAfterDelay: 2000,
      ...(options.signal ? { cancelSignal: options.signal } : {}),
    });
    options.signal?.throwIfAborted();
    return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? -1 };
  }

  /** GET of the admin API; the parsed answer. */
  async get(path: string): Promise<unknown> {
    const { status, text } = await askAdmin(this.socketPath, path);
    if (status !== 200) throw new Error(`GET ${path}: HTTP ${status}: ${text}`);
    return JSON.parse(text) as unknown;
  }

  /** Ends everything in the lab and removes it. May be called again, also while it runs. */
  takeDown(): Promise<void> {
    this.#down ??= removeRun(this.folder).then(() => undefined);
    return this.#down;
  }

  #makeMachine(host: LabHost, diskBytes: number): void {
    makeDiskFile(this.diskOf(host), diskBytes);
    writeLightHardware(this.#hardwareOf(host), host, this.diskOf(host));
  }

  #hardwareOf(host: LabHost): string {
    return join(this.folder.path, 'hardware', `${host.name}.json`);
  }

  async #daemonAnswers(): Promise<boolean> {
    try {
      return (await askAdmin(this.socketPath, '/api/v1/status')).status === 200;
    } catch {
      return false;
    }
  }
}
