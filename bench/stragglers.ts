/**
 * Bench: what one bad host costs the others. The same cast to four hosts: clean, with one disk ten times slower than the wire
 * wants, with one cable of a quarter of the cast's rate, with one host cut from power, with one agent killed; and bare udp-sender and
 * udp-receiver with Clonezilla's options for the same bytes to the same disks. The kernel makes a disk or a cable slow
 * (lab/slow-disk.ts, lab/lossy-link.ts). Needs root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readCastSeconds } from '#lab/bare-cast.ts';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import type { Lab } from '#lab/lab.ts';
import { setLinkFault } from '#lab/lossy-link.ts';
import { inNamespace } from '#lab/network.ts';
import { processesIn } from '#lab/process-record.ts';
import { noSlowDisk, slowDisk } from '#lab/slow-disk.ts';
import type { LabHost } from '#lab/topology.ts';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { mustRun, withBenchLab } from './bench-lab.ts';

const LINK_MBIT = 40;
const USED_MIB = 96;
const NAMES = ['pc-1', 'pc-2', 'pc-3', 'pc-4'];
const BAD = 'pc-2';
/** A tenth of what the wire brings, in plain bytes a second: the golden disk does not compress. */
const SLOW_BYTES_PER_SECOND = (LINK_MBIT * 1e6) / 8 / 10;
const FAST_BYTES_PER_SECOND = 1e9;
/** A cable that was 10BASE-T, or is nearly broken. */
const SLOW_CABLE_MBIT = 10;
const POLL_MS = 50;
const LIMIT_MS = 600_000;
const BARE_PORT = 9600;

type Fault = 'none' | 'slow disk' | 'slow cable' | 'power cut' | 'agent killed';

interface Row {
  readonly name: string;
  readonly metrics: Record<string, number>;
}

/** Seconds from the first byte until the last good host has everything; `delay` against the clean run. */
export async function benchStragglers(o: { quick: boolean }): Promise<Row[]> {
  const problem = noSlowDisk();
  if (problem !== undefined) throw new Error(problem);
  const { diskBytes } = planGoldenDisk(USED_MIB, 1);
  return withBenchLab({ hosts: NAMES, linkMbit: LINK_MBIT, usedMiB: USED_MIB }, async (lab) => {
    const rows: Row[] = [];
    const rounds = o.quick ? 1 : 3;
    const cleanS: number[] = [];
    const badS = new Map<Fault, number[]>();
    let bytes = 0;
    for (let round = 0; round < rounds; round++) {
      for (const fault of ['none', 'slow disk', 'slow cable', 'power cut', 'agent killed'] as const) {
        const played = await playOurs(lab, diskBytes, fault);
        bytes = played.bytes;
        if (fault === 'none') cleanS.push(played.othersS);
        else badS.set(fault, [...(badS.get(fault) ?? []), played.othersS]);
      }
    }
    rows.push({ name: 'fleetcast, clean', metrics: metricsOf(cleanS, cleanS) });
    for (const [fault, seconds] of badS)
      rows.push({ name: `fleetcast, ${fault}`, metrics: metricsOf(seconds, cleanS) });

    for (const { name } of lab.topology.hosts) await lab.cutPower(lab.host(name));
    const bareClean = [await playBare(lab, diskBytes, bytes, 'none')];
    rows.push({ name: "Clonezilla's options, clean", metrics: metricsOf(bareClean, bareClean) });
    const bareFaults = ['slow disk', 'slow cable', ...(o.quick ? [] : (['power cut'] as const))] as const;
    for (const fault of bareFaults) {
      const seconds = [await playBare(lab, diskBytes, bytes, fault)];
      rows.push({ name: `Clonezilla's options, ${fault}`, metrics: metricsOf(seconds, bareClean) });
    }
    return rows;
  });
}

function metricsOf(seconds: readonly number[], clean: readonly number[]): Record<string, number> {
  const [mine, base] = [median(seconds), median(clean)];
  return {
    othersS: mine,
    othersMaxS: Math.max(...seconds),
    delayS: mine - base,
    delayPercent: (mine / base - 1) * 100,
  };
}

async function playOurs(lab: Lab, diskBytes: number, fault: Fault): Promise<{ othersS: number; bytes: number }> {
  for (const name of NAMES) blank(lab.diskOf(lab.host(name)), diskBytes);
  const bad = lab.host(BAD);
  await makeBad(lab, fault);
  await mustRun(lab, ['deploy', 'bench', '--hosts', NAMES.join(','), '--yes', '--on-done', 'stay']);
  const [{ sessionId }] = (await lab.get('/api/v1/sessions?limit=1')) as [SessionView];
  if (fault === 'power cut' || fault === 'agent killed') {
    await until(lab, sessionId, ({ casts: [cast] }) => cast !== undefined && cast.sentBytes > cast.bytes / 3);
    if (fault === 'power cut') await lab.cutPower(bad);
    else killAgent(bad);
  }
  const othersAreServed = await untilServed(lab, sessionId);
  await makeBad(lab, 'none');
  if (fault === 'power cut') lab.powerOn(bad);
  const session = await until(lab, sessionId, ({ state }) => ['completed', 'failed', 'cancelled'].includes(state));
  if (session.succeeded !== NAMES.length) throw new Error(`not every host succeeded: ${JSON.stringify(session.tasks)}`);
  const cast = session.casts[0]!;
  return { othersS: (othersAreServed - cast.firstByteAtMs!) / 1000, bytes: cast.bytes };
}

/** Makes the disk or the cable of the bad host slow, or both as good as the others'. */
async function makeBad(lab: Lab, fault: Fault): Promise<void> {
  const bad = lab.host(BAD);
  slowDisk(lab.folder, bad, fault === 'slow disk' ? SLOW_BYTES_PER_SECOND : FAST_BYTES_PER_SECOND);
  await setLinkFault(lab.topology, bad, fault === 'slow cable' ? { mbit: SLOW_CABLE_MBIT } : {});
}

/** When the last of the good hosts had all chunks and began to read them back, by the audit log. */
async function untilServed(lab: Lab, sessionId: number): Promise<number> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const events = (await lab.get(`/api/v1/events?session=${sessionId}&limit=1000`)) as EventView[];
    const served = events.filter(({ host, action }) => host !== BAD && action === 'verifying');
    if (served.length >= NAMES.length - 1) return Math.max(...served.map(({ atMs }) => atMs));
    if (performance.now() > deadline) throw new Error('the good hosts were not served');
    await delay(POLL_MS);
  }
}

function killAgent(host: LabHost): void {
  for (const { pid } of processesIn([host.namespace])) {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--boot-token')) process.kill(pid, 'SIGKILL');
  }
}

/** Clonezilla's own command lines (facts: DRBL's ocs functions), with dd for the disk. Seconds from its log. */
async function playBare(lab: Lab, diskBytes: number, bytes: number, fault: Exclude<Fault, 'agent killed'>) {
  const logPath = join(lab.folder.path, 'clonezilla.log');
  const source = join(lab.folder.path, 'clonezilla-source');
  rmSync(logPath, { force: true });
  closeSync(openSync(source, 'w'));
  truncateSync(source, bytes);
  const common = ['--nokbd', '--mcast-all-addr', '224.0.0.1', '--portbase', String(BARE_PORT), '--ttl', '1'];
  for (const name of NAMES) {
    const host = lab.host(name);
    blank(lab.diskOf(host), diskBytes);
    const writer = `udp-receiver ${common.join(' ')} | dd of=${lab.diskOf(host)} bs=1M iflag=fullblock oflag=direct conv=notrunc`;
    lab.start('receiver', host.namespace, ['sh', '-c', writer], lab.consoleOf(host));
  }
  const bad = lab.host(BAD);
  await delay(500);
  await makeBad(lab, fault);
  const stdin = openSync(source, 'r');
  const argv = [
    'udp-sender',
    ...common,
    '--interface',
    'eth0',
    '--min-clients',
    String(NAMES.length),
    '--log',
    logPath,
  ];
  const [program, ...args] = inNamespace(lab.topology.serverNamespace, argv) as [string, ...string[]];
  const sender = spawn(program, args, { stdio: [stdin, 'ignore', 'ignore'] });
  const ended = once(sender, 'close');
  if (fault === 'power cut') {
    await delay(((bytes * 8) / (LINK_MBIT * 1e6) / 3) * 1000);
    await lab.cutPower(bad);
  }
  await ended;
  closeSync(stdin);
  for (const name of NAMES) await lab.cutPower(lab.host(name));
  return readCastSeconds(readFileSync(logPath, 'utf8'));
}

function blank(path: string, bytes: number): void {
  truncateSync(path, 0);
  truncateSync(path, bytes);
}

async function until(lab: Lab, sessionId: number, isSo: (session: SessionView) => boolean): Promise<SessionView> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const session = (await lab.get(`/api/v1/sessions/${sessionId}`)) as SessionView;
    if (isSo(session)) return session;
    if (performance.now() > deadline)
      throw new Error(`session ${sessionId} takes too long: ${JSON.stringify(session)}`);
    await delay(POLL_MS);
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
