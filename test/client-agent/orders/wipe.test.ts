import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { problemOf } from '#agent/orders/disk-failure.ts';
import { runWipe } from '#agent/orders/wipe.ts';
import { blkdiscardArgv } from '#agent/wipe/eraser-choice.ts';
import type { Inventory, Progress, WipeOrder } from '#protocol/agent-api.ts';
import { type Disk, identityOf } from '#protocol/disk.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { diskOf } from '../test-disk.ts';

const BYTES = 20 * 1024 * 1024 + 512;

function makeDisk(t: TestContext): Disk {
  const folder = tempFolder(t);
  const path = join(folder, 'disk.img');
  writeFileSync(path, randomBytes(BYTES));
  return diskOf(path);
}

async function wipe(disk: Disk, method: WipeOrder['method'], step: WipeOrder['step'] = 'wipe') {
  const order = { kind: 'wipe' as const, rev: 'r', taskId: 1, sessionId: 1, disk: identityOf(disk), method, step };
  const told: Progress[] = [];
  const machine = { readInventory: async () => ({ disks: [disk] }) as unknown as Inventory, log: silentLogger };
  const signal = new AbortController().signal;
  const result = await runWipe(order, { machine, signal, onProgress: (progress) => told.push(progress) });
  return { result, told };
}

function isZero(path: string): boolean {
  return readFileSync(path).every((byte) => byte === 0);
}

for (const method of ['auto', 'zeros', 'discard'] as const) {
  test(`a file that stands for a disk is wiped by ${method} to its last byte, and keeps its size`, async (t) => {
    const disk = makeDisk(t);
    const { result, told } = await wipe(disk, method);
    const bytes = readFileSync(disk.path);
    assert.equal(bytes.length, BYTES);
    assert.ok(isZero(disk.path));
    assert.equal(result!.method, method === 'auto' ? 'zeros' : method);
    assert.deepEqual([result!.sampledBlocks, result!.emptyBlocks], [21, 21]);
    assert.deepEqual(
      [told.at(-1)!.phase, told.filter(({ phase }) => phase === 'wipe').at(-1)!.doneBytes],
      ['sample', BYTES],
    );
  });
}

test('the check writes nothing and refuses what the disk cannot do', async (t) => {
  const disk = makeDisk(t);
  const before = readFileSync(disk.path);
  assert.equal((await wipe(disk, 'zeros', 'check')).result, undefined);
  await assert.rejects(wipe(disk, 'secure-erase', 'check'), {
    code: 'WIPE_IMPOSSIBLE',
    message: /has no erase command/,
  });
  await assert.rejects(wipe({ ...disk, inUse: true, usedBy: 'mounted at /' }, 'zeros'), { code: 'DISK_IN_USE' });
  await assert.rejects(wipe({ ...disk, readOnly: true }, 'zeros'), { code: 'DISK_READ_ONLY' });
  assert.ok(readFileSync(disk.path).equals(before));
});

test('several disks are wiped at once; one that breaks fails alone, and nothing is written before each was checked', async (t) => {
  const disks = [makeDisk(t), makeDisk(t), makeDisk(t)].map((disk, i) => ({ ...disk, serial: `D${i}` }));
  // It ends before it says it does.
  const cut = { ...disks[1]!, sizeBytes: BYTES + 1024 * 1024 };
  const run = async (one: Disk, step: WipeOrder['step']) => {
    const there = [disks[0]!, one, disks[2]!];
    const [disk, ...moreDisks] = there.map(identityOf);
    const order = {
      ...({ kind: 'wipe', rev: 'r', taskId: 1, sessionId: 1, method: 'zeros' } as const),
      disk: disk!,
      moreDisks,
      step,
    };
    const machine = { readInventory: async () => ({ disks: there }) as unknown as Inventory, log: silentLogger };
    const told: Progress[] = [];
    const onProgress = (progress: Progress) => void told.push(progress);
    return { result: await runWipe(order, { machine, signal: new AbortController().signal, onProgress }), told };
  };
  await assert.rejects(run({ ...disks[1]!, inUse: true }, 'wipe'), { code: 'DISK_IN_USE' });
  await run(cut, 'check');
  assert.ok(disks.every(({ path }) => !isZero(path)));
  const { result, told } = await run(cut, 'wipe');
  assert.deepEqual(
    result!.disks!.map((one) => ('error' in one ? one.error.code : one.how)),
    ['zeros were written', 'DISK_READ_FAILED', 'zeros were written'],
  );
  assert.deepEqual([result!.sampledBlocks, result!.emptyBlocks, problemOf(result!)?.code], [42, 42, 'DISKS_FAILED']);
  assert.deepEqual(
    disks.map(({ path }) => isZero(path)),
    [true, false, true],
  );
  const { doneBytes, totalBytes } = told.findLast(({ phase }) => phase === 'wipe')!;
  assert.deepEqual([doneBytes, totalBytes], [2 * BYTES, 3 * BYTES + 1024 * 1024]);
  const whole = await run(disks[1]!, 'wipe');
  assert.equal(problemOf(whole.result!), undefined);
  assert.equal(whole.told.at(-1)!.phase, 'sample');
  await assert.rejects(run({ ...cut, path: '/nowhere' }, 'wipe'));
});

test('a real block device is wiped by blkdiscard, which the kernel refuses while it is mounted', {
  skip: process.getuid?.() === 0 ? false : 'needs root for a loop device: sudo npm test',
}, async (t) => {
  const file = makeDisk(t);
  const { stdout } = await run(['losetup', '--find', '--show', file.path]);
  const path = stdout.trim();
  t.after(() => run(['losetup', '--detach', path]));
  const sizeBytes = BYTES;
  const disk = { ...file, path, sizeBytes };
  for (const method of ['zeros', 'discard'] as const) {
    writeFileSync(file.path, randomBytes(BYTES), { flag: 'r+' });
    assert.match((await wipe(disk, method)).result!.how, /^blkdiscard/);
    assert.ok(isZero(file.path));
  }
  await run(['mke2fs', '-q', path]);
  const point = tempFolder(t);
  await run(['mount', '-o', 'ro', path, point]);
  try {
    await assert.rejects(wipe(disk, 'zeros'), { code: 'DISK_IN_USE' });
    await assert.rejects(run(blkdiscardArgv(path, 'zeros', 0, BYTES)), { code: 'PROGRAM_FAILED' });
  } finally {
    await run(['umount', point]);
  }
});
