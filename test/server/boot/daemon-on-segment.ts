/** The whole daemon and foreign clients on a LAN of namespaces, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import type { Machine, Segment } from './dhcp/segment.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** A machine `srv` with its config; the daemon does not run yet. `boot`: lines of the section [boot], and more. */
export async function makeServer(
  t: TestContext,
  lan: Segment,
  boot: readonly string[],
  network: readonly string[] = [],
) {
  const folder = tempFolder(t);
  const config = join(folder, 'fleetcast.toml');
  const socket = join(folder, 'admin.sock');
  writeFileSync(
    config,
    [`[daemon]`, `data_dir = "${folder}/data"`, `socket = "${socket}"`, ...network, '[boot]', ...boot].join('\n'),
  );
  mkdirSync(join(folder, 'data/boot'), { recursive: true });
  const machine = await lan.addMachine('srv', '10.77.0.1/24');
  const argv = machine.on(process.execPath, join(ROOT, 'server/main.ts'), '--config', config, '--log-level', 'warn');
  const cliArgv = [process.execPath, join(ROOT, 'cli/main.ts'), '--socket', socket];
  const cli = async (...words: string[]) => {
    const { stdout } = await run([...cliArgv, ...words]);
    return stdout;
  };
  return { folder, machine, argv, cli, cliArgv };
}

export async function startDaemon(t: TestContext, argv: readonly string[]): Promise<ChildProcess> {
  const daemon = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => stopDaemon(daemon));
  await once(createInterface({ input: daemon.stdout! }), 'line');
  return daemon;
}

export async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
}

/** The address that it got; undefined: none. */
export async function udhcpc(machine: Machine): Promise<string | undefined> {
  const argv = machine.on('busybox', 'udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '3', '-T', '1', '-s', '/bin/true');
  return /lease of ([\d.]+) obtained/.exec((await run(argv, { okCodes: [0, 1] })).stderr)?.[1];
}
