/**
 * Bench: the daemon's own load. Simulated agents (bench/load-agents.ts) go through a whole deployment over HTTP: hello, order calls,
 * a report every two seconds, holes; no image travels. A few agents and many, in one run: what a call costs, what the
 * daemon uses, and whether every report arrived; many also with agents that all answer an order in the same instant, which no
 * real machines do. Agents and daemon share the machine's processors. Needs root.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { buildGoldenDisk, planGoldenDisk } from '#lab/golden-disk.ts';
import { Lab } from '#lab/lab.ts';
import { inNamespace } from '#lab/network.ts';
import { processesIn } from '#lab/process-record.ts';
import { scratchOf } from '#lab/run-folder.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { LoadResult } from './load-agents.ts';
import { loadHost } from './load-hosts.ts';

const ROOT = join(import.meta.dirname, '..');
const USED_MIB = 16;
const POLL_MS = 500;
const LIMIT_MS = 600_000;
/** lsblk, the manifest, the worker threads: seen to take a light host 0.3 to 1 s. */
const LOOK_MS = 1000;
/** Of `repair` and of `verify`, in ms. */
const WORK_MS = 15_000;
/** proc(5): utime and stime are counted in these a second. */
const TICKS_PER_SECOND = 100;

interface Row {
  readonly name: string;
  readonly metrics: Record<string, number>;
}

export async function benchLoad(o: { quick: boolean }): Promise<Row[]> {
  const many = o.quick ? 200 : 1000;
  return [await playLoad(10, LOOK_MS), await playLoad(many, LOOK_MS), await playLoad(many, 0)];
}

/** `lookMs`: a machine looks at its disks for up to so long before it answers that it is prepared. */
async function playLoad(count: number, lookMs: number): Promise<Row> {
  const { diskBytes } = planGoldenDisk(USED_MIB, 1);
  const lab = await Lab.create({ hosts: ['golden', 'crowd'], linkMbit: 1000, diskBytes });
  const stop = () => void lab.takeDown().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    const golden = lab.host('golden');
    await buildGoldenDisk({ path: lab.diskOf(golden), workDir: scratchOf(lab.folder), usedMiB: USED_MIB });
    await lab.startDaemon();
    await mustRun(lab, ['host', 'add', golden.name, golden.mac]);
    lab.powerOn(golden);
    await untilRegistered(lab, 1);
    await mustRun(lab, ['capture', golden.name, '--as', 'load']);
    const list = join(lab.folder.path, 'load.csv');
    writeFileSync(list, Array.from({ length: count }, (_, i) => csvLine(i)).join(''));
    await mustRun(lab, ['host', 'import', list]);

    const daemon = processesIn([lab.topology.serverNamespace]).map(({ pid }) => pid);
    const before = cpuSeconds(daemon);
    const beganMs = performance.now();
    const crowd = startCrowd(lab, count, lookMs);
    await untilRegistered(lab, count + 1);
    const deployMs = performance.now();
    await mustRun(lab, ['deploy', 'load', '--group', 'load', '--mode', 'unicast', '--on-done', 'stay', '--yes']);
    const deployS = (performance.now() - deployMs) / 1000;
    const result = JSON.parse((await crowd).stdout) as LoadResult;
    const seconds = (performance.now() - beganMs) / 1000;
    const cpu = cpuSeconds(daemon) - before;
    const rssMB = Math.max(...daemon.map(peakMB));

    const [{ sessionId }] = (await lab.get('/api/v1/sessions?limit=1')) as [SessionView];
    const session = (await lab.get(`/api/v1/sessions/${sessionId}`)) as SessionView;
    const received = new Set(session.tasks.map(({ deployResult }) => deployResult?.httpBytes));
    const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !received.has(i)).length;
    const all = Object.values(result.callMs).flat();
    return {
      name: `${count} agents${lookMs === 0 ? ' in one instant' : ''}`,
      metrics: {
        ...{ calls: all.length, callsPerSecond: all.length / seconds, p50Ms: percentile(all, 0.5) },
        ...{
          p99Ms: percentile(all, 0.99),
          maxMs: Math.max(...all),
          p99ReportMs: percentile(result.callMs.report!, 0.99),
        },
        ...{ p99HolesMs: percentile(result.callMs.holes!, 0.99), p99HelloMs: percentile(result.callMs.hello!, 0.99) },
        ...{ deployS, daemonBusyCores: cpu / seconds, peakMB: rssMB, reports: result.reportsSent },
        lostReports: result.reportsFailed + missing,
      },
    };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    await lab.takeDown();
  }
}

function startCrowd(lab: Lab, count: number, lookMs: number) {
  const argv = ['bin/node', 'bench/load-agents.ts', '--server', lab.agentUrl, '--count', String(count)];
  const inside = inNamespace(lab.host('crowd').namespace, [
    ...argv,
    ...['--work-ms', String(WORK_MS), '--look-ms', String(lookMs)],
  ]);
  const [program, ...args] = inside as [string, ...string[]];
  return execa(program, args, { cwd: ROOT, timeout: LIMIT_MS, maxBuffer: 1e9, stderr: 'inherit' });
}

function csvLine(index: number): string {
  const { name, mac } = loadHost(index);
  return `${name},${mac},load\n`;
}

async function untilRegistered(lab: Lab, count: number): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const hosts = (await lab.get('/api/v1/hosts')) as HostView[];
    if (hosts.filter(({ inventory }) => inventory !== undefined).length >= count) return;
    if (performance.now() > deadline) throw new Error('not every host registered');
    await delay(POLL_MS);
  }
}

function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** The most memory that it ever had, in MB. */
function peakMB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024) / 1e6;
}

async function mustRun(lab: Lab, args: readonly string[]): Promise<void> {
  const { exitCode, stderr, stdout } = await lab.fleetcast(args);
  if (exitCode !== 0) throw new Error(`fleetcast ${args.join(' ')} ended with ${exitCode}: ${stderr}${stdout}`);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
