/** The TFTP server and clients that others wrote, over loopback. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fixedFiles } from '#server/boot/tftp/files.ts';
import { type FinishedTransfer, TftpServer } from '#server/boot/tftp/server.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { LossyLink } from './lossy-link.ts';

interface Bench {
  readonly folder: string;
  readonly port: number;
  readonly server: TftpServer;
  readonly ends: FinishedTransfer[];
  /** Content of the file `boot.img`. */
  readonly content: Buffer;
}

async function start(t: TestContext, fileBytes: number): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-tftp-'));
  const content = randomBytes(fileBytes);
  writeFileSync(join(folder, 'boot.img'), content);
  const files = fixedFiles(
    new Map([
      ['boot.img', { path: join(folder, 'boot.img') }],
      ['script', { bytes: Buffer.from('#!ipxe\n') }],
      ['gone', { path: join(folder, 'gone') }],
    ]),
  );
  const port = await freePort();
  const ends: FinishedTransfer[] = [];
  const log = silentLogger;
  const server = await TftpServer.start({
    address: '127.0.0.1',
    port,
    files,
    log,
    nowMs: Date.now,
    maxEach: 64,
    onEnd: (end) => ends.push(end),
  });
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  return { folder, port, server, ends, content };
}

/** A client may be gone before the server has seen its last ACK. */
async function endOf(ends: readonly FinishedTransfer[], count: number): Promise<void> {
  while (ends.length < count) await new Promise(setImmediate);
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** argv of each client that fetches `boot.img` into a file. */
const clients: Record<string, (port: number, file: string) => string[]> = {
  'tftp-hpa': (port, file) => ['tftp', '-m', 'octet', '127.0.0.1', `${port}`, '-c', 'get', 'boot.img', file],
  'busybox (blksize 1400)': (port, file) => [
    'busybox',
    'tftp',
    '-g',
    '-r',
    'boot.img',
    '-l',
    file,
    '-b',
    '1400',
    '127.0.0.1',
    `${port}`,
  ],
  curl: (port, file) => ['curl', '-sS', '--tftp-blksize', '1024', '-o', file, `tftp://127.0.0.1:${port}/boot.img`],
  'atftp without options': (port, file) => ['atftp', '-g', '-r', 'boot.img', '-l', file, '127.0.0.1', `${port}`],
  ...Object.fromEntries(
    [1, 4, 16, 64].map((window) => [
      `atftp (windowsize ${window})`,
      (port: number, file: string) => {
        const options = ['--option', 'blksize 1024', '--option', `windowsize ${window}`, '--option', 'tsize 0'];
        return ['atftp', ...options, '-g', '-r', 'boot.img', '-l', file, '127.0.0.1', `${port}`];
      },
    ]),
  ),
};

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

for (const [name, argv] of Object.entries(clients)) {
  test(`${name} fetches a file whole`, async (t) => {
    const { folder, port, content, ends } = await start(t, 300_000);
    await run(argv(port, join(folder, 'got')), { cwd: folder });
    assert.equal(digest(readFileSync(join(folder, 'got'))), digest(content));
    await endOf(ends, 1);
    assert.deepEqual(
      ends.map((end) => [end.name, end.outcome, end.fileBytes]),
      [['boot.img', 'complete', 300_000]],
    );
  });
}

for (const name of [
  'tftp-hpa',
  'busybox (blksize 1400)',
  'curl',
  'atftp (windowsize 1)',
  'atftp (windowsize 4)',
  'atftp (windowsize 16)',
]) {
  test(`at 1 % loss and 2 % doubles (in user space) ${name} fetches a file whole`, async (t) => {
    const { folder, port, content } = await start(t, 200_000);
    const link = await LossyLink.open(port, { loss: 0.01, doubled: 0.02, seed: 0x2545f491 });
    t.after(() => link.close());
    await run(clients[name]!(link.port, join(folder, 'got')), { cwd: folder });
    assert.equal(digest(readFileSync(join(folder, 'got'))), digest(content));
    assert.ok(link.dropped > 0);
    const blocks = Math.ceil(200_000 / 512);
    assert.ok(link.passed < blocks * 3, `${link.passed} packets: doubled packets must not multiply`);
  });
}

test('the npm package tftp, as a client, fetches a file whole', async (t) => {
  const { folder, port, content } = await start(t, 200_000);
  const require = createRequire(import.meta.url);
  const oracle = require('tftp') as {
    createClient(o: object): { get(name: string, file: string, done: (error?: Error) => void): void };
  };
  const client = oracle.createClient({ host: '127.0.0.1', port, blockSize: 1468, windowSize: 4 });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.get('boot.img', join(folder, 'got'), (error) => (error ? reject(error) : resolve()));
  await promise;
  assert.equal(digest(readFileSync(join(folder, 'got'))), digest(content));
});

test('block numbers roll over', async (t) => {
  const { folder, port, content } = await start(t, 8 * 66_000 + 3);
  const options = ['--option', 'blksize 8', '--option', 'windowsize 64'];
  await run(['atftp', ...options, '-g', '-r', 'boot.img', '-l', join(folder, 'got'), '127.0.0.1', `${port}`]);
  assert.equal(digest(readFileSync(join(folder, 'got'))), digest(content));
});

test('forty clients at once get the file whole, in flat memory', async (t) => {
  const { folder, port, content, server, ends } = await start(t, 5_000_000);
  const before = process.memoryUsage.rss();
  const fetches = Array.from({ length: 40 }, (_, i) =>
    run(clients['atftp (windowsize 16)']!(port, join(folder, `got${i}`)), { limitMs: 300_000 }),
  );
  await Promise.all(fetches);
  await endOf(ends, 40);
  const grownBytes = process.memoryUsage.rss() - before;
  for (let i = 0; i < 40; i++) assert.equal(digest(readFileSync(join(folder, `got${i}`))), digest(content));
  assert.deepEqual(server.counts(), { complete: 40 });
  assert.ok(grownBytes < 120e6, `grew by ${grownBytes} bytes for 200 MB sent`);
});

/** A client by hand: what came, one packet at a time. */
class RawClient {
  readonly socket: Socket;
  readonly #came: { bytes: Buffer; source: RemoteInfo }[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (bytes, source) => {
      this.#came.push({ bytes, source });
      this.#wake?.();
    });
  }

  static async open(t: TestContext): Promise<RawClient> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.after(() => socket.close());
    return new RawClient(socket);
  }

  send(bytes: Buffer, port: number): void {
    this.socket.send(bytes, port, '127.0.0.1');
  }

  request(port: number, name: string, mode = 'octet', options = ''): void {
    this.send(Buffer.from(`\0\x01${name}\0${mode}\0${options}`, 'latin1'), port);
  }

  async next(): Promise<{ bytes: Buffer; source: RemoteInfo }> {
    while (this.#came.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#came.shift()!;
  }

  get waiting(): number {
    return this.#came.length;
  }
}

const ack = (block: number) => Buffer.of(0, 4, block >> 8, block & 255);

test('a stranger on the port of a transfer gets ERROR 5, and the transfer goes on', async (t) => {
  const { port } = await start(t, 700);
  const [client, stranger] = [await RawClient.open(t), await RawClient.open(t)];
  client.request(port, 'boot.img');
  const { source } = await client.next();
  stranger.send(ack(1), source.port);
  assert.equal((await stranger.next()).bytes.readUInt32BE(0), 0x00050005);
  client.send(ack(1), source.port);
  assert.equal((await client.next()).bytes.readUInt32BE(0), 0x00030002);
  client.send(ack(2), source.port);
});

test('a doubled request and doubled ACKs make no second answer', async (t) => {
  const { port, server } = await start(t, 2000);
  const client = await RawClient.open(t);
  client.request(port, 'boot.img');
  client.request(port, 'boot.img');
  const { source } = await client.next();
  for (let i = 0; i < 10; i++) client.send(ack(1), source.port);
  assert.equal((await client.next()).bytes.readUInt32BE(0), 0x00030002);
  client.send(ack(2), source.port);
  assert.equal((await client.next()).bytes.readUInt32BE(0), 0x00030003);
  assert.equal(client.waiting, 0);
  assert.equal(server.counts()['doubled-request'], 1);
  client.send(Buffer.from('\0\x05\0\0bye\0', 'latin1'), source.port);
});

test('OVMF asks for the size, gives up with ERROR 8 and asks again: both are served', async (t) => {
  const { port, ends } = await start(t, 700);
  const client = await RawClient.open(t);
  client.request(port, 'boot.img', 'octet', 'tsize\x000\0blksize\x001468\0windowsize\x004\0');
  const first = await client.next();
  assert.equal(first.bytes.toString('latin1'), '\0\x06tsize\x00700\0blksize\x001468\0windowsize\x004\0');
  client.send(Buffer.from('\0\x05\0\x08User aborted the transfer\0', 'latin1'), first.source.port);
  client.request(port, 'boot.img', 'octet', 'blksize\x001468\0windowsize\x004\0');
  const second = await client.next();
  client.send(ack(0), second.source.port);
  assert.equal((await client.next()).bytes.length, 4 + 700);
  client.send(ack(1), second.source.port);
  await endOf(ends, 2);
  assert.deepEqual(
    ends.map((end) => end.outcome),
    ['ended-by-client', 'complete'],
  );
});

test('what is not served is refused with the right code, and garbage gets no answer', async (t) => {
  const { port, server } = await start(t, 10);
  const client = await RawClient.open(t);
  const codeOf = async () => (await client.next()).bytes.readUInt32BE(0);
  client.request(port, '../../etc/passwd');
  assert.equal(await codeOf(), 0x00050001);
  client.request(port, 'boot.img', 'netascii');
  assert.equal(await codeOf(), 0x00050000);
  client.send(Buffer.from('\0\x02boot.img\0octet\0', 'latin1'), port);
  assert.equal(await codeOf(), 0x00050002);
  client.request(port, 'gone');
  assert.equal(await codeOf(), 0x00050000);
  for (const bytes of [Buffer.of(1), Buffer.alloc(600, 7), ack(1), Buffer.from('\0\x01xy', 'latin1')])
    client.send(bytes, port);
  client.request(port, 'script');
  assert.equal((await client.next()).bytes.toString('latin1', 4), '#!ipxe\n');
  assert.equal(client.waiting, 0);
  assert.deepEqual(server.counts(), {
    ...{ 'unknown-file': 1, 'mode-refused': 1, 'write-refused': 1, 'read-failed': 1 },
    ...{ short: 1, 'unknown-opcode': 1, stray: 1, 'request-malformed': 1 },
  });
});
