/**
 * How many machines the boot servers serve: whole DHCP exchanges (DISCOVER to ACK) a second, by perfdhcp over a veth, against
 * dnsmasq; and one file over TFTP by atftp on loopback, against atftpd and tftpd-hpa. Each writes its leases to a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KnownError } from '#protocol/errors.ts';
import { fixedFiles } from '#server/boot/tftp/files.ts';
import { TftpServer } from '#server/boot/tftp/server.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { type Machine, type Owner, Program, Segment } from '#test/server/boot/dhcp/segment.ts';

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

const SERVE = join(import.meta.dirname, '../test/server/boot/dhcp/serve-dhcp.ts');
const RANGE = { first: '10.77.1.0', last: '10.77.14.255' };
const CLIENTS = 3000;
/** More than any of them can do: what is answered in time counts. */
const ASKED_RATE = 10_000;
/** 4: what OVMF and shim ask for. */
const WINDOWS = [1, 4, 16];
const TFTP_ROUNDS = 7;
const PORT = { ours: 16_900, atftpd: 16_901, hpa: 16_902 };

export async function benchBoot({ quick }: { quick: boolean }): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-bench-boot-'));
  try {
    return [...(await benchDhcp(folder, quick ? 2 : 5)), ...(await benchTftp(folder, quick ? 8e6 : 40e6))];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function benchDhcp(folder: string, seconds: number): Promise<Row[]> {
  const ours = await onNewSegment(async (owner, server, clients) => {
    const options = { mode: 'full', ...RANGE, database: join(folder, 'leases.db') };
    const program = new Program(owner, server, SERVE, options);
    await program.line((line) => line.ready === true);
    return exchangesPerSecond(clients, seconds);
  });
  const dnsmasq = await onNewSegment(async (owner, server, clients) => {
    const fixed = [
      '--no-daemon',
      '--conf-file=/dev/null',
      '--port=0',
      '--interface=eth0',
      '--bind-interfaces',
      '--no-ping',
    ];
    const leases = [`--dhcp-leasefile=${join(folder, 'dnsmasq.leases')}`, '--dhcp-lease-max=10000', '--quiet-dhcp'];
    const argv = server.on('dnsmasq', ...fixed, ...leases, `--dhcp-range=${RANGE.first},${RANGE.last}`);
    own(owner, spawn(argv[0]!, argv.slice(1), { stdio: 'ignore' }));
    await delay(1000);
    return exchangesPerSecond(clients, seconds);
  });
  return [{ name: 'DHCP exchanges a second', metrics: { fleetcast: ours, dnsmasq, ratio: ours / dnsmasq } }];
}

async function onNewSegment(
  measure: (owner: Owner, server: Machine, clients: Machine) => Promise<number>,
): Promise<number> {
  const ends: (() => Promise<unknown>)[] = [];
  const owner: Owner = { after: (end) => void ends.push(end) };
  try {
    const lan = await Segment.make(owner);
    return await measure(
      owner,
      await lan.addMachine('srv', '10.77.0.1/20'),
      await lan.addMachine('pcs', '10.77.0.2/20'),
    );
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function exchangesPerSecond(clients: Machine, seconds: number): Promise<number> {
  const load = ['-r', String(ASKED_RATE), '-R', String(CLIENTS), '-p', String(seconds), '-W', '300000'];
  // 3: some exchanges were not finished, as is wanted here.
  const argv = clients.on('perfdhcp', '-4', '-l', 'eth0', ...load, '10.77.0.1');
  const { stdout } = await run(argv, { okCodes: [0, 3], limitMs: (seconds + 20) * 1000 });
  return Number(/^Rate: ([\d.]+) 4-way/m.exec(stdout)?.[1]);
}

async function benchTftp(folder: string, bytes: number): Promise<Row[]> {
  writeFileSync(join(folder, 'boot.img'), randomBytes(bytes));
  const files = fixedFiles(new Map([['boot.img', { path: join(folder, 'boot.img') }]]));
  const common = { address: '127.0.0.1', port: PORT.ours, log: silentLogger, nowMs: () => Date.now() };
  const ours = await TftpServer.start({ ...common, files });
  const ends: (() => Promise<unknown>)[] = [() => ours.stop()];
  const owner: Owner = { after: (end) => void ends.push(end) };
  try {
    const atftpd = [
      '--daemon',
      '--no-fork',
      '--user',
      'root.root',
      '--port',
      `${PORT.atftpd}`,
      '--bind-address',
      '127.0.0.1',
      folder,
    ];
    own(owner, spawn('atftpd', atftpd, { stdio: 'ignore' }));
    const program = await unpackHpa(folder);
    const hpaArguments = ['-L', '-u', 'root', '-a', `127.0.0.1:${PORT.hpa}`, folder];
    if (program !== undefined) own(owner, spawn(program, hpaArguments, { stdio: 'ignore' }));
    await delay(500);
    const found = new Map<number, { ours: number[]; atftpd: number[]; hpa: number[] }>();
    // In turns: a window costs two changes of process, and what else runs on the machine then decides.
    for (let round = 0; round < TFTP_ROUNDS; round++) {
      for (const window of WINDOWS) {
        const rates = found.get(window) ?? { ours: [], atftpd: [], hpa: [] };
        found.set(window, rates);
        const rate = (port: number, name = 'boot.img') => fetchRate(folder, port, name, window, bytes);
        rates.ours.push(await rate(PORT.ours));
        rates.atftpd.push(await rate(PORT.atftpd));
        // tftpd-hpa 5.2 of Debian 12 has no windowsize: it would answer with a window of one.
        if (window === 1 && program !== undefined) rates.hpa.push(await rate(PORT.hpa, join(folder, 'boot.img')));
      }
    }
    return [...found].map(([window, { ours, atftpd, hpa }]) => ({
      name: `TFTP MB/s, windowsize ${window}`,
      metrics: {
        ...{ fleetcast: median(ours), least: Math.min(...ours), most: Math.max(...ours), atftpd: median(atftpd) },
        ...{ hpa: hpa.length === 0 ? Number.NaN : median(hpa) },
      },
    }));
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** Debian's atftpd and tftpd-hpa cannot be installed together, so one is only unpacked; undefined when it cannot be fetched. */
async function unpackHpa(folder: string): Promise<string | undefined> {
  try {
    await run(['apt-get', 'download', '-qq', 'tftpd-hpa'], { cwd: folder });
    const deb = globSync('tftpd-hpa_*.deb', { cwd: folder })[0]!;
    await run(['dpkg-deb', '-x', deb, 'hpa'], { cwd: folder });
    return join(folder, 'hpa/usr/sbin/in.tftpd');
  } catch (error) {
    if (error instanceof KnownError) return undefined;
    throw error;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function fetchRate(folder: string, port: number, name: string, window: number, bytes: number): Promise<number> {
  const options = ['--option', 'blksize 1468', ...(window === 1 ? [] : ['--option', `windowsize ${window}`])];
  const started = performance.now();
  await run(['atftp', ...options, '-g', '-r', name, '-l', join(folder, 'got'), '127.0.0.1', `${port}`]);
  return bytes / 1000 / (performance.now() - started);
}

/** Ended with the owner. */
function own(owner: Owner, child: ChildProcess): void {
  owner.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
}
