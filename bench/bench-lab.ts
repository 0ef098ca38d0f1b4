/** A lab for benches: a golden machine whose image `bench` is captured, and hosts whose agents run all the time. */
import { setTimeout as delay } from 'node:timers/promises';
import { buildGoldenDisk, planGoldenDisk } from '#lab/golden-disk.ts';
import { Lab } from '#lab/lab.ts';
import { scratchOf } from '#lab/run-folder.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';

const REGISTER_LIMIT_MS = 300_000;

export interface BenchLabOptions {
  readonly hosts: readonly string[];
  readonly linkMbit: number;
  /** Files on the golden machine, in MiB. */
  readonly usedMiB: number;
}

/** Takes the lab down when `use` has ended or the bench is stopped, which must not leave its network behind. Needs root. */
export async function withBenchLab<T>(o: BenchLabOptions, use: (lab: Lab) => Promise<T>): Promise<T> {
  const { diskBytes } = planGoldenDisk(o.usedMiB, 1);
  const lab = await Lab.create({ hosts: ['golden', ...o.hosts], linkMbit: o.linkMbit, diskBytes });
  const stop = () => void lab.takeDown().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    const path = lab.diskOf(lab.host('golden'));
    await buildGoldenDisk({ path, workDir: scratchOf(lab.folder), usedMiB: o.usedMiB });
    await lab.startDaemon();
    for (const { name, mac } of lab.topology.hosts) await mustRun(lab, ['host', 'add', name, mac]);
    for (const host of lab.topology.hosts) lab.powerOn(host);
    await untilRegistered(lab);
    await mustRun(lab, ['capture', 'golden', '--as', 'bench', '--on-done', 'stay']);
    return await use(lab);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    await lab.takeDown();
  }
}

/** Lays the image on these hosts, who stay in their agents; the ended session. Throws when a host has failed. */
export async function deployBench(
  lab: Lab,
  hosts: readonly string[],
  more: readonly string[] = [],
): Promise<SessionView> {
  await mustRun(lab, ['deploy', 'bench', '--hosts', hosts.join(), '--yes', '--watch', '--on-done', 'stay', ...more]);
  const sessions = (await lab.get('/api/v1/sessions?limit=1')) as SessionView[];
  return (await lab.get(`/api/v1/sessions/${sessions[0]!.sessionId}`)) as SessionView;
}

/** A command of the CLI. Throws when it does not end with 0. */
export async function mustRun(lab: Lab, args: readonly string[]): Promise<void> {
  const { exitCode, stderr, stdout } = await lab.fleetcast(args);
  if (exitCode !== 0) throw new Error(`fleetcast ${args.join(' ')} ended with ${exitCode}: ${stderr}${stdout}`);
}

async function untilRegistered(lab: Lab): Promise<void> {
  const deadline = performance.now() + REGISTER_LIMIT_MS;
  for (;;) {
    const hosts = (await lab.get('/api/v1/hosts')) as HostView[];
    if (hosts.every(({ inventory }) => inventory !== undefined)) return;
    if (performance.now() > deadline) throw new Error('not every host registered');
    await delay(250);
  }
}
