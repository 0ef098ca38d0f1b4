/**
 * Bench: the squashfs of the agent over HTTP, by curl in 40 network namespaces, from the daemon and from nginx in its place, on
 * the same link: how much of the wire is used, and what a client costs the server.
 */

import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readyBootAssets } from '#lab/boot-cache.ts';
import { Lab } from '#lab/lab.ts';
import { inNamespace } from '#lab/network.ts';
import { KnownError } from '#protocol/errors.ts';
import { run } from '#system/run.ts';

const LINK_MBIT = 1000;
/** TCP payload of a full Ethernet frame (with timestamps), over the bytes that tbf counts for it. */
const WIRE_SHARE = 1448 / 1514;
const NAMESPACES = 40;
const NGINX_PORT = 8090;
const NGINX_READY_MS = 10_000;
const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;
const FILE = 'agent.squashfs';

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

interface Server {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

/** `processorMs` is of the server, for one client; `peakMB` the most memory it had. Needs root. */
export async function benchFetch({ quick }: { quick: boolean }): Promise<Row[]> {
  const assets = await readyBootAssets((line) => console.log(`    ${line}`));
  const names = Array.from({ length: NAMESPACES }, (_, i) => `pc-${i + 1}`);
  const lab = await Lab.create({ hosts: names, linkMbit: LINK_MBIT, diskBytes: MIB });
  const stop = () => void lab.takeDown().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    lab.giveBootAssets(assets);
    await lab.startDaemon();
    const servers = [daemonOf(lab), ...(await startNginx(lab, assets))];
    // 400 clients take the first 8 MiB each: the whole file would take minutes and tell no more.
    const crowds = [
      { clients: 1, bytes: undefined },
      { clients: 40, bytes: undefined },
      ...(quick ? [] : [{ clients: 400, bytes: 8 * MIB }]),
    ];
    const rows: Row[] = [];
    for (const crowd of crowds) {
      for (const server of servers) {
        const metrics = await fetchAll(lab, server, crowd);
        rows.push({ name: `${crowd.clients} clients, ${server.name}`, metrics });
      }
    }
    return rows;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    await lab.takeDown();
  }
}

async function fetchAll(
  lab: Lab,
  server: Server,
  crowd: { clients: number; bytes: number | undefined },
): Promise<Record<string, number>> {
  const hosts = lab.topology.hosts.slice(0, crowd.clients);
  const each = crowd.clients / hosts.length;
  // Forgets the most memory it had: proc(5), clear_refs.
  writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
  const ticksBefore = processorTicks(server.pid);
  const startedMs = performance.now();
  const fetched = await Promise.all(
    hosts.map(async ({ namespace }) => {
      const range = crowd.bytes === undefined ? [] : ['--range', `0-${crowd.bytes - 1}`];
      const targets = Array.from({ length: each }, () => ['--output', '/dev/null', server.url]).flat();
      const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(each)];
      const argv = ['curl', '--silent', '--show-error', '--fail', '--http1.1', ...parallel, ...range];
      const { stdout } = await run(
        inNamespace(namespace, [...argv, '--write-out', '%{size_download}\\n', ...targets]),
        { limitMs: 600_000 },
      );
      return stdout.trim().split('\n').map(Number);
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const bytes = fetched.flat();
  if (bytes.length !== crowd.clients || bytes.some((count) => count !== bytes[0])) {
    throw new Error(`not every client has the whole file: ${[...new Set(bytes)].join(', ')} bytes`);
  }
  const all = bytes.reduce((sum, count) => sum + count, 0);
  const processorMs = ((processorTicks(server.pid) - ticksBefore) * 1000) / TICKS_PER_SECOND;
  return {
    seconds,
    shareOfWire: (all * 8) / seconds / (LINK_MBIT * 1e6 * WIRE_SHARE),
    processorMs: processorMs / crowd.clients,
    msPerMB: processorMs / (all / 1e6),
    peakMB: peakBytes(server.pid) / 1e6,
  };
}

function daemonOf(lab: Lab): Server {
  return { name: 'fleetcast', url: `${lab.agentUrl}/boot/v1/files/${FILE}`, pid: lab.findRunning('daemon')!.pid };
}

/** One process, as the daemon is one. Only unpacked, never installed; none when its package cannot be fetched. */
async function startNginx(lab: Lab, assets: string): Promise<Server[]> {
  const folder = join(lab.folder.path, 'nginx');
  mkdirSync(folder);
  try {
    await run(['apt-get', 'download', '-qq', 'nginx'], { cwd: folder });
    await run(['dpkg-deb', '-x', globSync('nginx_*.deb', { cwd: folder })[0]!, '.'], { cwd: folder });
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    console.log('    nginx cannot be fetched: measured without it');
    return [];
  }
  const config = [
    'daemon off; master_process off; user root; pid nginx.pid; error_log error.log;',
    'events { worker_connections 2048; }',
    `http { access_log off; sendfile on; tcp_nopush on; server { listen ${NGINX_PORT}; root ${assets}; }`,
    // Debian's are folders that only the installed package has.
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path temp;`),
    '}',
  ];
  writeFileSync(join(folder, 'nginx.conf'), config.join('\n'));
  const argv = [join(folder, 'usr/sbin/nginx'), '-e', 'error.log', '-p', folder, '-c', join(folder, 'nginx.conf')];
  const { pid } = lab.start('nginx', lab.topology.serverNamespace, argv, join(folder, 'nginx.log'));
  const url = `http://${lab.topology.serverAddress}:${NGINX_PORT}/${FILE}`;
  await untilAnswers(lab, url);
  return [{ name: 'nginx', url, pid }];
}

async function untilAnswers(lab: Lab, url: string): Promise<void> {
  const deadline = performance.now() + NGINX_READY_MS;
  const argv = inNamespace(lab.topology.serverNamespace, ['curl', '--silent', '--head', '--fail', url]);
  while ((await run(argv, { okCodes: [0, 7] })).exitCode !== 0) {
    if (performance.now() > deadline) throw new Error(`${url} does not answer`);
    await delay(100);
  }
}

/** In user space and in the kernel: fields 14 and 15 of /proc/PID/stat, proc(5). */
function processorTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}
