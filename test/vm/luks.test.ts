/** LUKS containers under the agent's kernel: captured open, laid with keys of their own, opened and compared with the source. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runOnWorkbench } from '#lab/workbench.ts';
import type { AuditResult } from '#protocol/drift.ts';
import type { LuksContainer } from '#protocol/luks-container.ts';
import type { VolumeHead } from '#protocol/manifest.ts';
import type { CaptureResult, DeployResult } from '#protocol/task-result.ts';
import { makeEmptyFile } from '#test/client-agent/filesystems.ts';
import { writeInto } from '#test/client-agent/test-disk.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { consoleWithPassphrase, makeBiosGrub } from './bios-grub.ts';
import { LUKS_ROAD } from './luks-road.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

const MiB = 1024 * 1024;
/** The last logical volume that can takes what the target has more. */
const TARGET_BYTES = 400 * MiB;
/** Three minutes of a processor that does nothing else. */
const LIMIT_MS = 40 * 60_000;
/** Between the table and the first partition there is room for a GRUB. */
const GRUB_SECTOR = 40;
const OLD = 'passphrase of the source';
const NEW = 'passphrase of the room';
const EXTRA = 'key of the admin';
const USER = 'passphrase of a user';
const LAST = 'next passphrase of the room';

/** Three containers: LUKS2 with sectors of 4096 bytes, LUKS1, and LVM in LUKS2 with a key slot that a boot loader can open. */
const MAKE = `
set -e
sfdisk -q /dev/vda <<END
label: gpt
start=1MiB, size=16MiB
size=96MiB
size=64MiB
size=128MiB
END
quick='--batch-mode --key-file=- --pbkdf-force-iterations'
printf '${OLD}' | cryptsetup luksFormat --type luks2 --sector-size 4096 --pbkdf argon2id --pbkdf-memory 32768 $quick 4 --label two /dev/vda2
printf '${OLD}' | cryptsetup luksFormat --type luks1 $quick 1000 /dev/vda3
printf '${OLD}' | cryptsetup luksFormat --type luks2 --sector-size 512 --pbkdf pbkdf2 $quick 1000 /dev/vda4
/usr/sbin/mke2fs -q -t ext4 /dev/vda1
for i in 2 3 4; do printf '${OLD}' | cryptsetup open --key-file=- /dev/vda$i source$i; done
/usr/sbin/mke2fs -q -t ext4 /dev/mapper/source2; /usr/sbin/mke2fs -q -t ext4 /dev/mapper/source3
lvm pvcreate -qq /dev/mapper/source4; lvm vgcreate -qq vault /dev/mapper/source4
lvm lvcreate -qq -y -L 64M -n root vault; lvm lvcreate -qq -y -L 16M -n swap vault
/usr/sbin/mke2fs -q -t ext4 /dev/vault/root; /usr/sbin/mkswap -q -U 11111111-2222-4333-8444-555555555555 /dev/vault/swap
for device in mapper/source2 mapper/source3 vault/root; do
  mount -t ext4 /dev/$device /mnt
  busybox seq 1 300000 >/mnt/numbers; echo "NEEDLE in $device" >/mnt/needle; busybox dd if=/dev/urandom of=/mnt/noise bs=1M count=4 2>/dev/null
  if [ $device = vault/root ]; then mkdir /mnt/etc; echo ID=test >/mnt/etc/os-release; echo source >/mnt/etc/hostname; fi
  umount /mnt
done
lvm vgchange -qq -an vault
for i in 2 3 4; do cryptsetup close source$i; done
# It says how it was called, and makes key slots that take 10 ms to open instead of 2000, and 32 MiB instead of a quarter of what is free.
mv /usr/sbin/cryptsetup /usr/sbin/cryptsetup.real
cat >/usr/sbin/cryptsetup <<'END'
#!/usr/bin/busybox sh
echo "$*" >>/tmp/calls; busybox env >>/tmp/calls
last=
for word; do
  shift; [ "$word" = 2000 ] && word=10; [ "$last" = --pbkdf-memory ] && word=32768
  last=$word; set -- "$@" "$word"
done
exec cryptsetup.real "$@"
END
chmod 755 /usr/sbin/cryptsetup
node /usr/lib/fleetcast/client-agent/road.js
echo "SECRETS $(grep -c -e '${OLD}' -e '${NEW}' -e '${EXTRA}' -e '${LAST}' /tmp/calls || true)"
echo "FORMATS $(grep -c luksFormat /tmp/calls)"
echo "LEFT $(busybox ls /tmp | busybox grep -c fleetcast || true) $(dmsetup ls)"
`;

/** What a user does to his machine: a passphrase of his own in each container, and in one of them what else opens it. */
const ADD_SLOTS = `
set -e
busybox blockdev --rereadpt /dev/vdb
printf '${USER}' >/tmp/user
for i in 2 3 4; do
  printf '${NEW}' | cryptsetup.real luksAddKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file=- /dev/vdb$i /tmp/user
done
echo '{ "type": "lab-token", "keyslots": ["2"] }' | cryptsetup.real token import /dev/vdb2
rm /tmp/user
`;

const ROAD = `
import { execFileSync } from 'node:child_process';
${LUKS_ROAD}
const grow = 'last';
const finishing = { steps: [{ name: 'hostname', onError: 'fail', limitS: 60 }], host: 'pc-07', n: 1 };
await capture('vda', ['wrong']);
await capture('vda', ['wrong', '${OLD}']);
await deploy('vdb', ['${NEW}', '${EXTRA}'], { grow, stopAfter: 'repair' });
await deploy('vdb', ['${NEW}', '${EXTRA}'], { grow, hash: true, finishing });
await audit('vdb', ['${EXTRA}']);
execFileSync('busybox', ['sh', '/add-slots']);
await deploy('vdb', ['${LAST}', '${NEW}'], { grow, hash: true });
await deploy('vdb', ['${EXTRA}'], { grow, hash: true, stopAfter: 'prepare' });
await deploy('vdb', ['${LAST}'], { grow, stopAfter: 'prepare' });
`;

const OPEN = `
set -e
for i in 2 3 4; do
  printf '${OLD}' | cryptsetup open --disable-keyring --key-file=- --readonly /dev/vda$i old$i
  printf '${LAST}' | cryptsetup open --disable-keyring --key-file=- /dev/vdb$i new$i
  printf '${NEW}' | cryptsetup open --test-passphrase --key-file=- /dev/vdb$i
  for wrong in '${OLD}' '${EXTRA}' '${USER}'; do
    if printf "$wrong" | cryptsetup open --test-passphrase --key-file=- /dev/vdb$i 2>/dev/null; then echo "OPENS $i"; fi
  done
  [ "$(cryptsetup luksUUID /dev/vda$i)" = "$(cryptsetup luksUUID /dev/vdb$i)" ] || echo "OTHER UUID $i"
  key() { dmsetup table --showkeys "$1" | busybox cut -d' ' -f5; }
  [ "$(key old$i)" != "$(key new$i)" ] || echo "SAME KEY $i"
  kind() { dmsetup table "$1" | busybox cut -d' ' -f3,4,6,8-; }
  [ "$(kind old$i)" = "$(kind new$i)" ] || echo "OTHER KIND $(kind old$i) $(kind new$i)"
done
cryptsetup luksDump /dev/vdb2 | grep -e Label -e PBKDF: | busybox tr -s '\t ' ' '
cryptsetup luksDump /dev/vdb4 | grep -e PBKDF: | busybox tr -s '\t ' ' '
lvm vgchange -qq --devices /dev/mapper/new4 -ay vault
for pair in old2:mapper/new2 old3:mapper/new3; do
  e2fsck -fn /dev/\${pair#*:}; mkdir -p /a /b
  mount -t ext4 -o ro,noload /dev/mapper/\${pair%:*} /a; mount -t ext4 -o ro /dev/\${pair#*:} /b
  (cd /a; busybox find . -type f -exec sha256sum {} + | busybox sort) >/tmp/a; (cd /b; busybox find . -type f -exec sha256sum {} + | busybox sort) >/tmp/b
  busybox cmp /tmp/a /tmp/b && echo "SAME $(busybox wc -l </tmp/b)"; umount /a; umount /b
done
e2fsck -fn /dev/vault/root; echo "MIB $(($(busybox blockdev --getsize64 /dev/vault/root) / 1048576)) $(($(dumpe2fs -h /dev/vault/root 2>/dev/null | busybox awk '/^Block count/ { n = $3 } /^Block size/ { print n * $3 }') / 1048576))"; mount -t ext4 -o ro /dev/vault/root /b; echo "ROOT $(cat /b/etc/hostname) $(cat /b/needle)"; busybox seq 1 300000 | busybox cmp - /b/numbers; umount /b
/usr/sbin/blkid -o value -s UUID /dev/vault/swap
echo "CLEAR $(busybox grep -c 'NEEDLE in' /dev/vdb || true)"
`;

type Captured = { result: CaptureResult; volumes: VolumeHead[]; containers: LuksContainer[]; format: number };
type Prepared = { lacking: number; warnings: string[] };
type Deployed = { result: DeployResult; lacking: Record<string, number> };

test('LUKS containers are captured open, and laid with keys of their own', { skip: noVm }, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = mkdtempSync(join(tmpdir(), 'fc-luks-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const workDir = join(folder, 'bench');
  const disks = ['source.img', 'target.img'].map((name) => {
    makeEmptyFile(join(folder, name), name === 'target.img' ? TARGET_BYTES : 320 * MiB);
    return join(folder, name);
  });
  const road = await bundleAgentScript(ROAD);
  const files = { 'usr/lib/fleetcast/client-agent/road.js': road, 'add-slots': Buffer.from(ADD_SLOTS) };
  const made = await runOnWorkbench({
    assets,
    workDir,
    disks,
    script: MAKE,
    files,
    memoryMiB: 1536,
    limitMs: LIMIT_MS,
  });
  assert.equal(made.exitCode, 0, made.output);
  const told = <T>(name: string) =>
    [...made.output.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map((match) => JSON.parse(match[1]!) as T);
  const deployed = told<Deployed>('DEPLOYED');

  await t.test('a wrong passphrase ends the capture before anything is uploaded', () => {
    const [failed] = told<{ code: string; uploaded: number }>('CAPTURE_FAILED');
    assert.deepEqual([failed?.code, failed?.uploaded], ['LUKS_KEY_REFUSED', 0], made.output);
  });

  await t.test('what is used inside is carried, and the containers are told, in a manifest of version 2', () => {
    const [captured] = told<Captured>('CAPTURED');
    assert.ok(captured, made.output);
    const { result, volumes, containers, format } = captured;
    assert.equal(format, 2);
    assert.deepEqual(result.warnings, []);
    assert.ok(result.usedBytes < 60 * MiB, `${result.usedBytes}`);
    const [two, one, lvm] = containers.map(({ uuid }) => uuid);
    assert.deepEqual(
      volumes
        .filter(({ within }) => within !== undefined)
        .map(({ filesystem, map, within: { pv: _, ...within } = { kind: 'luks', name: '' } }) => [
          filesystem,
          map,
          within,
        ]),
      [
        ['ext4', 'partclone.extfs', { kind: 'luks', name: two }],
        ['ext4', 'partclone.extfs', { kind: 'luks', name: one }],
        ['LVM2_member', 'raw', { kind: 'lvm', luks: lvm, name: 'vault' }],
        ['ext4', 'partclone.extfs', { kind: 'lvm', luks: lvm, name: 'vault/root' }],
        ['swap', 'none', { kind: 'lvm', luks: lvm, name: 'vault/swap' }],
      ],
    );
    assert.deepEqual(
      containers.map(({ version, sectorBytes, pbkdf, partition }) => [partition, version, sectorBytes, pbkdf]),
      [
        [2, 2, 4096, 'argon2id'],
        [3, 1, 512, 'pbkdf2'],
        [4, 2, 512, 'pbkdf2'],
      ],
    );
  });

  await t.test('a deployment that was broken off goes on in the containers that it has made', () => {
    assert.deepEqual(told('DEPLOY_FAILED'), []);
    assert.deepEqual(deployed[0]?.lacking, { prepare: 0, repair: 0, verify: 0, finish: 0 });
    assert.equal(deployed[0]?.result.finishers?.[0]?.log, 'source is now pc-07');
  });

  await t.test('what lies in the containers was activated and checked before the disk got its table', () => {
    const clean = { filesystem: 'ext4', check: 'clean' };
    assert.deepEqual(
      deployed.map(({ result }) => result.containers),
      deployed.map(() => [
        { kind: 'luks', partition: 2, volumes: [clean] },
        { kind: 'luks', partition: 3, volumes: [clean] },
        { kind: 'luks', partition: 4, volumes: [] },
        { kind: 'lvm', name: 'vault', partition: 4, volumes: [{ name: 'vault/root', ...clean }] },
      ]),
    );
  });

  await t.test('an audit opens the containers and finds what a finisher and the growing have changed', () => {
    const [{ differingChunks = 0, layoutDiffers } = {}] = told<Partial<AuditResult>>('AUDITED');
    assert.ok(differingChunks > 0 && differingChunks < 30, `${differingChunks}`);
    assert.equal(layoutDiffers, true, 'the last partition has grown');
  });

  await t.test(
    'a container that one secret of the session opens is kept, and what else opened it is taken away',
    () => {
      const { lacking, result } = deployed[1]!;
      assert.ok(lacking.prepare! > 0 && lacking.prepare! < 60, `${lacking.prepare} of ${result.chunks}`);
      const taken = told<Prepared>('PREPARED')
        .at(-3)
        ?.warnings.map((text) => text.replace(/.*away: /, ''));
      assert.deepEqual(taken, ['2 key slots, lab-token', '2 key slots', '2 key slots']);
    },
  );

  await t.test('with other keys, or when the disk is not hashed, the containers are made anew', () => {
    const { chunks } = deployed[1]!.result;
    const [other, unread] = told<Prepared>('PREPARED').slice(-2);
    assert.ok(other!.lacking > 150 && other!.lacking < chunks, `what lies outside them is kept: ${other!.lacking}`);
    assert.equal(unread!.lacking, chunks);
    assert.match(made.output, /^FORMATS 9$/m);
  });

  await t.test('no key was on a command line or in an environment, and nothing is left open or behind', () => {
    assert.match(made.output, /^SECRETS 0$/m);
    assert.match(made.output, /^LEFT 0 No devices found$/m);
  });

  await t.test(
    'the secrets of the session alone open the target, which has the files of the source and has grown inside',
    async () => {
      const opened = { assets, workDir, disks, script: OPEN, memoryMiB: 1536, limitMs: LIMIT_MS };
      const { exitCode, output } = await runOnWorkbench(opened);
      assert.equal(exitCode, 0, output);
      assert.deepEqual(output.match(/^(OPENS|OTHER|SAME KEY).*$/gm), null, output);
      assert.deepEqual(
        output.match(/^ (Label|PBKDF).*$|^Label.*$/gm)?.map((line) => line.trim()),
        ['Label: two', 'PBKDF: argon2id', 'PBKDF: argon2id', 'PBKDF: pbkdf2', 'PBKDF: pbkdf2'],
      );
      assert.deepEqual(output.match(/^SAME \d$/gm), ['SAME 3', 'SAME 3'], output);
      assert.match(output, /^MIB 160 160$/m, output);
      assert.match(output, /^ROOT source NEEDLE in vault\/root$/m);
      assert.match(output, /^11111111-2222-4333-8444-555555555555$/m);
      assert.match(output, /^CLEAR 0$/m);
    },
  );

  await t.test('GRUB opens what was laid, version 1 and LVM in version 2, with the new passphrase', async () => {
    const target = disks[1]!;
    const { boot, core } = await makeBiosGrub({
      ...{ folder, coreBytes: GRUB_SECTOR * 512, prefix: '(crypto0)/boot/grub' },
      config: [
        ...['terminal_input serial', 'cryptomount (hd0,gpt3)', 'cat (crypto0)/needle'],
        ...['cryptomount (hd0,gpt4)', 'cat (lvm/vault-root)/needle', 'halt'],
      ],
      modules: ['cryptodisk', 'luks', 'luks2', 'lvm', 'cat', 'gcry_rijndael', 'gcry_sha256'],
    });
    writeInto(target, 0, boot);
    writeInto(target, GRUB_SECTOR * 512, core);
    const said = await consoleWithPassphrase(target, LAST);
    assert.match(said, /NEEDLE in mapper\/source3[\s\S]*NEEDLE in vault\/root/, said);
  });
});
