/** Headers that cryptsetup itself has made. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { addKeyArgv, formatArgv, isKeyOf, openArgv, pbkdfMemoryKiB, runWithKey } from '#agent/disk/cryptsetup.ts';
import { keepOnlyKeys } from '#agent/disk/key-slots.ts';
import { type LuksHeader, readLuksHeader } from '#agent/disk/luks-header.ts';
import { isLike } from '#agent/orders/target-containers.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import { run } from '#system/run.ts';

const MiB = 1024 * 1024;
const KEY = Buffer.from('open sesame\nand no\0 line');

const luks2: LuksContainer = {
  ...{ kind: 'luks', version: 2, uuid: '7fdb51e4-6471-431d-a795-2453be4b6e1d', partition: 1 },
  ...{ startBytes: MiB, sizeBytes: 100 * MiB, payloadOffsetBytes: 16 * MiB, label: 'vault', subsystem: 'lab' },
  ...{ cipher: 'aes-xts-plain64', keyBytes: 64, sectorBytes: 4096, hash: 'sha256', pbkdf: 'argon2id' },
};
const luks1: LuksContainer = {
  ...{ kind: 'luks', version: 1, uuid: '7fdb51e4-6471-431d-a795-2453be4b6e1e', partition: 1 },
  ...{ startBytes: MiB, sizeBytes: 100 * MiB, payloadOffsetBytes: 2 * MiB },
  ...{ cipher: 'aes-xts-plain64', keyBytes: 32, sectorBytes: 512, hash: 'sha1', pbkdf: 'pbkdf2' },
};

/** A file with a header that was made by the arguments of the agent, with a key slot that opens at once. */
async function make(t: TestContext, container: LuksContainer): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'fc-luks-header-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'header');
  writeFileSync(path, '');
  truncateSync(path, container.payloadOffsetBytes + MiB);
  await runWithKey(quick(formatArgv(container, path, 32 * 1024)), KEY);
  return path;
}

/** Key slots that take 2 s to open, and the measuring of what takes 2 s, are no part of what is tested. */
function quick(argv: readonly string[]): string[] {
  const iterations = argv.includes('argon2id') ? '4' : '1000';
  return argv.map((word) =>
    word === '--iter-time' ? '--pbkdf-force-iterations' : word === '2000' ? iterations : word,
  );
}

async function addToken(path: string): Promise<void> {
  writeFileSync(`${path}-token`, JSON.stringify({ type: 'lab-token', keyslots: ['0'] }));
  await run(['cryptsetup', 'token', 'import', '--json-file', `${path}-token`, path]);
}

function headerOf(path: string) {
  const bytes = readFileSync(path);
  return readLuksHeader((offset, length) => bytes.subarray(offset, offset + length), bytes.length);
}

for (const container of [luks2, luks1]) {
  test(`a header of version ${container.version} is made as it is described, and read as it was made`, async (t) => {
    const path = await make(t, container);
    const header = headerOf(path);
    assert.ok(typeof header === 'object', String(header));
    const { kind: _, partition: _partition, startBytes: _start, sizeBytes: _size, ...wanted } = container;
    assert.deepEqual(header, { ...wanted, keySlots: [0], tokens: [] });
    assert.ok(isLike(header, container));
    assert.ok(!isLike({ ...header, sectorBytes: 2048 }, container));
  });

  test(`a second key slot of version ${container.version} is added, and each key opens it`, async (t) => {
    const path = await make(t, container);
    writeFileSync(`${path}-key`, 'another');
    await runWithKey(quick(addKeyArgv(container, path, `${path}-key`, 32 * 1024)), KEY);
    const header = headerOf(path);
    assert.deepEqual(typeof header === 'object' && header.keySlots, [0, 1]);
    const opens = [];
    for (const key of [KEY, Buffer.from('another'), Buffer.from('wrong')]) opens.push(await isKeyOf(path, key));
    assert.deepEqual(opens, [true, true, false]);
  });
}

for (const container of [luks2, luks1]) {
  test(`of a header of version ${container.version} just the slots of the keys are kept, those that lack are added, and its volume key stays`, async (t) => {
    const path = await make(t, container);
    const addSlot = async (opener: Uint8Array, key: Uint8Array) => {
      writeFileSync(`${path}-key`, key);
      await runWithKey(quick(addKeyArgv(container, path, `${path}-key`, 32 * 1024)), opener);
    };
    const [user, room, admin] = ['of a user', 'of the room', 'of the admin'].map((text) => Buffer.from(text)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    for (const key of [user, room]) await addSlot(KEY, key);
    if (container.version === 2) await addToken(path);
    const volumeKeyDigest = async () =>
      /\n(Digests:|MK digest:)[^\n]*(\n.*Salt:[^\n]*)?/.exec((await run(['cryptsetup', 'luksDump', path])).stdout)?.[0];
    const before = await volumeKeyDigest();

    const read = () => headerOf(path) as LuksHeader;
    assert.equal(await keepOnlyKeys(path, read(), [Buffer.from('wrong')], addSlot), undefined);
    assert.deepEqual(read().keySlots, [0, 1, 2], 'what no key opens is not touched');
    const change = await keepOnlyKeys(path, read(), [room, admin], addSlot);
    const removedTokens = container.version === 2 ? ['lab-token'] : [];
    assert.deepEqual(change, { removedSlots: 2, removedTokens, addedSlots: 1 });
    assert.deepEqual([read().keySlots.length, read().tokens], [2, []]);
    const opens = [];
    for (const key of [room, admin, KEY, user]) opens.push(await isKeyOf(path, key));
    assert.deepEqual(opens, [true, true, false, false]);
    assert.ok(before);
    assert.equal(await volumeKeyDigest(), before);
    assert.deepEqual(await keepOnlyKeys(path, read(), [admin, room], addSlot), {
      ...{ removedSlots: 0, removedTokens: [], addedSlots: 0 },
    });
  });
}

test('a damaged header, one of an unknown kind and no header are told apart from a good one', async (t) => {
  const path = await make(t, luks2);
  const bytes = readFileSync(path);
  const read = (change: (copy: Buffer) => void, sizeBytes = bytes.length) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return readLuksHeader((offset, length) => copy.subarray(offset, offset + length), sizeBytes);
  };
  assert.match(String(read((copy) => copy.writeUInt8(copy[5000]! ^ 1, 5000))), /damaged/);
  assert.match(String(read((copy) => copy.fill(0, 0, 6))), /no header/);
  assert.match(String(read((copy) => copy.writeUInt16BE(3, 6))), /version 3/);
  assert.match(String(read((copy) => copy.writeBigUInt64BE(2n ** 60n, 8))), /no sensible size/);
  assert.match(String(read(() => {}, 4096)), /too small/);
});

test('a container that something else opens too says what', async (t) => {
  const path = await make(t, luks2);
  await addToken(path);
  const header = headerOf(path);
  assert.deepEqual(typeof header === 'object' && header.tokens, [{ id: 0, type: 'lab-token' }]);
});

test('no key is among the arguments of cryptsetup', () => {
  const open = openArgv({
    device: '/dev/dm-0',
    name: 'n',
    mode: 'read',
    headerPath: '/tmp/h',
    keepFlags: ['allow-discards'],
  });
  assert.deepEqual(open.slice(-7), [
    ...['--readonly', '--header', '/tmp/h', '--allow-discards', '--persistent', '/dev/dm-0', 'n'],
  ]);
  for (const argv of [open, formatArgv(luks2, '/tmp/h', 1), addKeyArgv(luks1, '/tmp/h', '/tmp/k', 1)]) {
    assert.ok(argv.includes('--key-file=-'));
  }
});

test('opening a key slot takes a quarter of the free memory, from 32 MiB to 1 GiB', () => {
  assert.deepEqual([2 ** 20, 400 * MiB, 2 ** 40].map(pbkdfMemoryKiB), [32 * 1024, 100 * 1024, 1024 * 1024]);
});
