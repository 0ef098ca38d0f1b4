/** The agent as a process in a namespace of its own, a scripted server, and the real udp-sender and udp-receiver between them. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { ownNamespace } from '#lab/own-namespace.ts';
import type { DeployOrder } from '#protocol/agent-api.ts';
import { run } from '#system/run.ts';
import { makeSampleImage, NONCE, SESSION_ID, sampleFrames } from './receive/sample-image.ts';
import { ScriptedServer } from './scripted-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const NETNS = ownNamespace('agent');
const LINK = `fc-a${process.pid}`;
const PEER = `fc-b${process.pid}`;
/** Its own, so that what a killed run left behind is in nobody's way. */
const SUBNET = `10.78.${process.pid % 256}`;
const SERVER_ADDRESS = `${SUBNET}.1`;
const PORT_BASE = 9700;
const DISK = { model: 'Test disk', serial: 'T1', sizeBytes: 4 * 1024 * 1024, sectorBytes: 512 };

const isRoot = process.getuid?.() === 0;
const image = makeSampleImage();
const { manifest, manifestBytes } = image;

async function makeNetwork(): Promise<() => Promise<void>> {
  await run(['ip', 'netns', 'add', NETNS]);
  const inside = ['ip', '-n', NETNS];
  await run(['ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', PEER, 'netns', NETNS]);
  await run(['ip', 'address', 'add', `${SERVER_ADDRESS}/24`, 'brd', '+', 'dev', LINK]);
  await run([...inside, 'address', 'add', `${SUBNET}.2/24`, 'brd', '+', 'dev', PEER]);
  await run(['ip', 'link', 'set', LINK, 'up']);
  for (const name of [PEER, 'lo']) await run([...inside, 'link', 'set', name, 'up']);
  return async () => {
    await run(['ip', 'link', 'del', LINK], { okCodes: [0, 1] });
    await run(['ip', 'netns', 'del', NETNS]);
  };
}

function startSender(portBase: number) {
  const argv = [
    ...[
      '--full-duplex',
      '--nopointopoint',
      '--min-receivers',
      '1',
      '--max-wait',
      '20',
      '--rexmit-hello-interval',
      '200',
    ],
    ...['--retries-until-drop', '11', '--portbase', String(portBase), '--mcast-data-address', '239.192.78.9'],
    ...['--nokbd', '--interface', LINK, '--ttl', '1'],
  ];
  const sender = execa('udp-sender', argv, { reject: false, buffer: false, stderr: 'ignore', stdout: 'ignore' });
  // A sender that is killed or left alone closes its input: that is what the test is about.
  sender.stdin.on('error', () => undefined);
  return sender;
}

test('an agent with a server and a real cast', {
  skip: isRoot ? false : 'needs root for namespaces',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fc-agent-'));
  const dropNetwork = await makeNetwork();
  const server = await ScriptedServer.start({
    address: SERVER_ADDRESS,
    manifestBytes,
    chunkCount: manifest.chunkCount,
    makeFrames: (wanted, nonce) => Buffer.concat(sampleFrames(image, { ordinals: wanted, nonce, castId: 'repair' })),
  });
  const diskPath = join(folder, 'disk.img');
  writeFileSync(diskPath, 'the old system');
  truncateSync(diskPath, DISK.sizeBytes);
  const hardware = join(folder, 'hardware.json');
  const names = {
    systemUuid: 'f0f0f0f0-0000-4000-8000-000000000001',
    manufacturer: 'LabCo',
    product: 'Light',
    serial: 'L1',
  };
  const { sizeBytes: _sizeBytes, ...diskNames } = DISK;
  const disk = { ...diskNames, path: diskPath, transport: 'virtio', removable: false, readOnly: false };
  writeFileSync(hardware, JSON.stringify({ ...names, disks: [disk] }));
  const startAgent = () =>
    execa(
      'ip',
      [
        ...['netns', 'exec', NETNS, join(ROOT, 'bin/node'), join(ROOT, 'client-agent/main.ts'), '--server', server.url],
        ...['--boot-token', server.bootToken, '--hardware', hardware, '--workers', '1', '--on-release', 'exit'],
        ...['--log-level', 'info'],
      ],
      { reject: false, all: true },
    );
  const agent = startAgent();
  t.after(async () => {
    agent.kill('SIGKILL');
    await server.close();
    await dropNetwork();
    rmSync(folder, { recursive: true });
  });

  let round = 0;
  const order = (step: DeployOrder['step'], cast?: DeployOrder['cast']): Omit<DeployOrder, 'rev'> => ({
    kind: 'deploy',
    taskId: 7,
    sessionId: SESSION_ID,
    manifestId: manifest.id,
    disk: DISK,
    step,
    round: round++,
    ...(cast ? { cast } : {}),
  });
  const cast = (number: number) => ({
    castId: `5-${number}`,
    nonce: NONCE.toString('hex'),
    portBase: PORT_BASE + 2 * number,
    startTimeoutS: 20,
    receiveTimeoutS: 2,
    frames: manifest.chunkCount,
    bytes: 1,
  });

  await t.test('a disk that is not the one of the plan is refused before a byte is written', async () => {
    const report = await server.tell({ ...order('prepare'), disk: { ...DISK, serial: 'T2' } });
    assert.equal(report.status, 'failed');
    assert.equal(report.error?.code, 'DISK_CHANGED');
    assert.match(report.error?.message ?? '', /^pc-1: the disk of the plan \(Test disk T2/);
  });

  await t.test('prepared, it says that it lacks everything', async () => {
    assert.equal((await server.tell(order('prepare'))).status, 'done');
    assert.equal(server.holes?.count, manifest.chunkCount);
  });

  await t.test('of a cast with another nonce it writes no byte', async () => {
    const sender = startSender(cast(1).portBase);
    sender.stdin.end(Buffer.concat(sampleFrames(image, { nonce: Buffer.alloc(8, 9), castId: '5-1' })));
    assert.equal((await server.tell(order('receive', cast(1)))).status, 'done');
    await sender;
    assert.equal(server.holes?.count, manifest.chunkCount);
    assert.equal(readFileSync(diskPath).toString('latin1', 0, 14), 'the old system');
  });

  await t.test('when the sender is killed in mid-cast it keeps what came and ends in bounded time', async () => {
    const sender = startSender(cast(2).portBase);
    const frames = sampleFrames(image, { castId: '5-2' });
    const { rev } = server.give(order('receive', cast(2)));
    await new Promise((resolve) => sender.stdin.write(Buffer.concat(frames.slice(0, 12)), resolve));
    // A slice that is not full is sent only at the end: what follows pushes it out, and is of no cast.
    await new Promise((resolve) => sender.stdin.write(Buffer.alloc(3_000_000, 'FCFR'), resolve));
    await server.reported((report) => report.rev === rev && (report.progress?.doneBytes ?? 0) > 0);
    sender.kill('SIGKILL');
    // Without its receive time-out udp-receiver would wait for ever.
    const report = await server.reported((report) => report.rev === rev && report.status !== 'working');
    assert.equal(report.status, 'done');
    assert.equal(server.holes?.count, manifest.chunkCount - 11);
    assert.equal(readFileSync(diskPath).toString('latin1', 0, 14), '\0'.repeat(14), 'the old table is cleared');
  });

  await t.test('told to hold in mid-cast it leaves at once and the sender ends', async () => {
    const sender = startSender(cast(3).portBase);
    sender.stdin.write(Buffer.concat(sampleFrames(image, { castId: '5-3', ordinals: [11, 12] })));
    sender.stdin.write(Buffer.alloc(3_000_000, 'x'));
    // Its own time-out is longer than this file may take: only the order ends it.
    const { rev } = server.give(order('receive', { ...cast(3), receiveTimeoutS: 1000 }));
    await server.reported((report) => report.rev === rev && report.progress !== undefined);
    assert.equal((await server.tell(order('hold'))).status, 'idle');
    sender.stdin.end();
    sender.kill('SIGKILL');
    await sender;
  });

  await t.test('a cast with garbage between its frames brings all but what was left out', async () => {
    const sender = startSender(cast(4).portBase);
    const frames = sampleFrames(image, { castId: '5-4' }).flatMap((frame, i) => [
      frame,
      Buffer.from('FCFR?'.repeat(i)),
    ]);
    frames.splice(2 * 15, 1);
    sender.stdin.end(Buffer.concat(frames));
    assert.equal((await server.tell(order('receive', cast(4)))).status, 'done');
    await sender;
    assert.deepEqual([...server.holes!], [14]);
  });

  await t.test('the hole comes over HTTP', async () => {
    assert.equal((await server.tell(order('repair'))).status, 'done');
    assert.equal(server.holes?.count, 0);
  });

  await t.test('what rots on the disk is found by reading back and repaired', async () => {
    const bytes = readFileSync(diskPath);
    bytes[2048 * 512 + 5]! ^= 1;
    writeFileSync(diskPath, bytes);
    await server.tell(order('verify'));
    assert.deepEqual([...server.holes!], [0]);
    await server.tell(order('repair'));
    await server.tell(order('verify'));
    assert.equal(server.holes?.count, 0);
  });

  await t.test('finished, the disk has the table, the swap area and every used byte of the image', async () => {
    const { status, deployResult } = await server.tell(order('finish'));
    assert.equal(status, 'done');
    assert.equal(deployResult?.verifiedChunks, manifest.chunkCount);
    assert.equal(deployResult?.chunks, manifest.chunkCount);
    assert.ok(deployResult.castBytes > deployResult.httpBytes && deployResult.httpBytes > 0);
    const { stdout } = await run(['sfdisk', '--json', diskPath]);
    assert.equal(JSON.parse(stdout).partitiontable.partitions.length, 3);
    const bytes = readFileSync(diskPath);
    const end = 6144 * 512;
    assert.ok(bytes.subarray(2048 * 512, end).equals(image.disk.subarray(2048 * 512, end)));
    assert.equal(bytes.toString('latin1', end + 4086, end + 4096), 'SWAPSPACE2');
  });

  await t.test('released, it ends with the code for a reboot', async () => {
    server.give({ kind: 'release', action: 'reboot' });
    assert.equal((await agent).exitCode, 10);
  });

  await t.test('refused its token, it ends with the code that makes its firmware boot again', async () => {
    server.refusesTokens = true;
    assert.equal((await startAgent()).exitCode, 12);
  });
});
