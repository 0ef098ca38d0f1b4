/** Real udp-sender and udp-receiver in network namespaces. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, before, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { inNamespace, setUpNetwork, tearDownNetwork } from '#lab/network.ts';
import { OWN_RUN } from '#lab/own-namespace.ts';
import { namespacesOf, planTopology } from '#lab/topology.ts';
import { chunkIdOf } from '#protocol/chunk.ts';
import { FRAME_CHUNK, FRAME_HEADER_BYTES, readFrameHeader, type Trailer } from '#protocol/frame.ts';
import type { CastEnd } from '#server/transfer/cast.ts';
import { systemClock } from '#system/clock.ts';
import { noLab, takeLabTurn } from '../../lab/lab-turn.ts';
import { makeChunks } from '../images/test-store.ts';
import type { CastJob } from './cast-program.ts';

const skip = noLab;
const topology = planTopology(OWN_RUN, ['a', 'b'], 400);
const NODE = join(import.meta.dirname, '../../../bin/node');
const CHUNKS = 40;
let folder = '';
let nextPort = 9100;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fc-cast-'));
  if (noLab === false) await setUpNetwork(topology);
});
after(async () => {
  if (noLab === false) await tearDownNetwork(namespacesOf(topology));
  await rm(folder, { recursive: true });
});

class Cast {
  readonly child: ChildProcess;
  readonly #lines: Interface;
  readonly portBase: number;

  constructor(fields: Partial<CastJob> = {}) {
    this.portBase = fields.portBase ?? nextPort;
    nextPort = this.portBase + 2;
    const job: CastJob = {
      receivers: 2,
      chunks: CHUNKS,
      repeat: 1,
      portBase: this.portBase,
      maxMbit: 200,
      startTimeoutS: 20,
      stallLimitMs: 60_000,
      logPath: join(folder, `${this.portBase}.log`),
      mode: 'multicast',
      ...fields,
    };
    const program = join(import.meta.dirname, 'cast-program.ts');
    const [command, ...args] = inNamespace(topology.serverNamespace, [NODE, program, JSON.stringify(job)]);
    this.child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.child.stdout! });
  }

  /** The next line that it prints. */
  async read<T>(): Promise<T> {
    const [line] = (await once(this.#lines, 'line')) as [string];
    return JSON.parse(line) as T;
  }

  /** Reads up to the end of the cast. */
  async end(): Promise<CastEnd> {
    for (;;) {
      const line = await this.read<object>();
      if ('outcome' in line) return line as CastEnd;
    }
  }
}

interface Receiver {
  readonly child: ChildProcess;
  readonly path: string;
  readonly closed: Promise<unknown>;
}

function receive(host: number, { portBase }: Cast, broadcast = false): Receiver {
  const path = join(folder, `${portBase}-${host}.out`);
  const argv = ['udp-receiver', '--nokbd', '--interface', 'eth0', '--rcvbuf', '4m', '--exit-wait', '100'];
  argv.push('--start-timeout', '20', '--receive-timeout', '20', '--portbase', String(portBase));
  if (!broadcast) argv.push('--mcast-rdv-address', '239.192.77.1');
  const [command, ...args] = inNamespace(topology.hosts[host]!.namespace, argv);
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const file = createWriteStream(path);
  child.stdout!.pipe(file);
  return { child, path, closed: once(file, 'close') };
}

/** Ids of the chunks in a received stream, each checked against its bytes, and its trailer. */
async function readReceived({ path }: Receiver): Promise<{ ids: string[]; trailer: Trailer }> {
  const stream = await readFile(path);
  const ids: string[] = [];
  let trailer: Trailer | undefined;
  for (let at = 0; at < stream.length; ) {
    const header = readFrameHeader(stream, at);
    assert.ok(header !== undefined, `no frame at byte ${at}`);
    const payload = stream.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + header.payloadBytes);
    if (header.kind === FRAME_CHUNK) ids.push(chunkIdOf(zstdDecompressSync(payload)).toString('hex'));
    else trailer = JSON.parse(payload.toString()) as Trailer;
    at += FRAME_HEADER_BYTES + header.payloadBytes;
  }
  assert.ok(trailer !== undefined);
  return { ids, trailer };
}

/** Process ids of the udp-senders that listen on this port base. */
async function sendersOf({ portBase }: Cast): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const argv = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (argv[0] === 'udp-sender' && argv[argv.indexOf('--portbase') + 1] === String(portBase)) pids.push(Number(name));
  }
  return pids;
}

for (const mode of ['multicast', 'broadcast'] as const) {
  test(`two receivers hear every frame of a ${mode} cast`, { skip }, async (t) => {
    await takeLabTurn(t);
    const fromMs = systemClock.steadyMs();
    const cast = new Cast({ mode });
    const receivers = [0, 1].map((host) => receive(host, cast, mode === 'broadcast'));
    const end = await cast.end();
    assert.equal(end.outcome, 'sent', end.text);
    assert.equal(end.sentBytes, end.takenBytes);
    assert.deepEqual([...end.joined].sort(), ['10.77.0.10', '10.77.0.11']);
    const { startedSteadyMs = 0 } = end;
    assert.ok(startedSteadyMs > fromMs - 1000 && startedSteadyMs < systemClock.steadyMs() + 1000);
    const wanted = makeChunks(CHUNKS).map((chunk) => chunk.id.toString('hex'));
    for (const receiver of receivers) {
      await receiver.closed;
      const { ids, trailer } = await readReceived(receiver);
      assert.deepEqual(ids, wanted);
      assert.equal(trailer.frames, CHUNKS);
    }
  });
}

test('a cast with a receiver that stalls is ended long before udp-sender would drop it', { skip }, async (t) => {
  await takeLabTurn(t);
  const cast = new Cast({ repeat: 200 });
  const receivers = [0, 1].map((host) => receive(host, cast));
  await cast.read();
  receivers[1]!.child.kill('SIGSTOP');
  const fromMs = Date.now();
  cast.child.kill('SIGUSR1');
  const end = await cast.end();
  // TERM is blocked while it stalls; KILL follows after 2 s, a drop would come after a quarter of an hour.
  assert.ok(Date.now() - fromMs < 120_000, `took ${Date.now() - fromMs} ms`);
  assert.equal(end.outcome, 'aborted');
  assert.deepEqual(await sendersOf(cast), []);
  for (const { child } of receivers) child.kill('SIGKILL');
});

test('a sender that dies is told as failed, with how it died', { skip }, async (t) => {
  await takeLabTurn(t);
  const cast = new Cast({ repeat: 200 });
  const receivers = [0, 1].map((host) => receive(host, cast));
  await cast.read();
  for (const pid of await sendersOf(cast)) process.kill(pid, 'SIGKILL');
  const end = await cast.end();
  assert.equal(end.outcome, 'failed');
  assert.match(end.text, /SIGKILL/);
  for (const { child } of receivers) child.kill('SIGKILL');
});

test('a sender does not outlive a daemon that is killed', { skip }, async (t) => {
  await takeLabTurn(t);
  const cast = new Cast({ repeat: 200 });
  const receivers = [0, 1].map((host) => receive(host, cast));
  await cast.read();
  assert.equal((await sendersOf(cast)).length, 1);
  cast.child.kill('SIGKILL');
  await once(cast.child, 'exit');
  const limitMs = Date.now() + 60_000;
  while ((await sendersOf(cast)).length > 0 && Date.now() < limitMs) await new Promise(setImmediate);
  assert.deepEqual(await sendersOf(cast), []);
  for (const { child } of receivers) child.kill('SIGKILL');
});

test('a cast to which nobody comes ends by itself and says so', { skip }, async (t) => {
  await takeLabTurn(t);
  const end = await new Cast({ startTimeoutS: 2 }).end();
  assert.equal(end.outcome, 'nobody-came');
});

test('a cast in which nothing moves is ended by its watchdog', { skip }, async (t) => {
  await takeLabTurn(t);
  const end = await new Cast({ startTimeoutS: 60, stallLimitMs: 1500 }).end();
  assert.equal(end.outcome, 'stalled');
});
