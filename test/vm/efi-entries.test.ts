/** Boot entries in the memory of a real UEFI: the finisher runs as often as machines are deployed, and the firmware boots by what it leaves. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEntries } from '#agent/finishers/efi-entries.ts';
import { readDebianWords } from '#lab/debian-root.ts';
import { buildDebianSystem } from '#lab/debian-system.ts';
import { bootDisk } from '#lab/disk-boot.ts';
import { vmFiles } from '#lab/virtual-machine.ts';
import { runOnWorkbench } from '#lab/workbench.ts';
import { takeWorkbenchTurn } from '../lab/lab-turn.ts';
import { bundleAgentScript } from './agent-script.ts';
import { buildBootAssets, noVm } from './vm-road.ts';

/** A deployment ends with it. The ESP is the first partition of the disk; `again` is that of a system which was there before. */
const FINISH = `
import { execFileSync } from 'node:child_process';
import { readLayout } from './client-agent/disk/layout-reader.js';
import { repairBoot } from './client-agent/finishers/boot.js';
const disk = { path: '/dev/vda', sectorBytes: 512 };
const show = (name) => console.log('SHOW ' + JSON.stringify([name, execFileSync('efibootmgr', ['-v'], { encoding: 'utf8' })]));
async function finish(name, keepNetbootFirst) {
  const layout = await readLayout(disk.path, 512);
  const esp = layout.partitions[0];
  const volume = { kind: 'partition', partition: 1, filesystem: 'vfat', startBytes: esp.startSector * 512, sizeBytes: esp.sectors * 512 };
  await repairBoot({
    disk, manifest: { head: { layout }, volumes: [volume] }, changes: [], whyNoSystem: [], firmware: 'uefi', keepNetbootFirst,
    signal: new AbortController().signal, say: (line) => console.log(line),
  });
  show(name);
}
show('fresh');
await finish('first', false);
await finish('second', false);
execFileSync('sgdisk', ['--partition-guid=1:11111111-2222-4333-8444-555555555555', '/dev/vda']);
await finish('another system', false);
await finish('network first', true);
execFileSync('efibootmgr', ['-q', '-n', '0000']);
await finish('last', false);
execFileSync('efibootmgr', ['-q', '-N']);
`;

test('a real UEFI has one entry for the disk however often it is deployed, and boots by it', {
  skip: noVm,
}, async (t) => {
  await takeWorkbenchTurn(t);
  const assets = await buildBootAssets();
  const folder = mkdtempSync(join(tmpdir(), 'fc-efi-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const disk = join(folder, 'disk.img');
  await buildDebianSystem({ kind: 'btrfs', path: disk, assets, say: (line) => t.diagnostic(line) });
  const machine = join(folder, 'machine');
  mkdirSync(machine);
  // A Debian that only BIOS boots, so far: the firmware finds nothing on the disk and comes to its network card.
  const began = {
    firmware: 'uefi',
    disk,
    folder: machine,
    hasNetworkCard: true,
    until: 'Start PXE over IPv4',
  } as const;
  await bootDisk(began);
  const uefiVariables = join(machine, vmFiles.variables);
  copyFileSync(uefiVariables, join(folder, 'before.fd'));
  const { exitCode, output } = await runOnWorkbench({
    ...{ assets, workDir: join(folder, 'bench'), disks: [disk], uefiVariables },
    ...{ script: 'node /usr/lib/fleetcast/finish.js' },
    files: { 'usr/lib/fleetcast/finish.js': await bundleAgentScript(FINISH) },
  });
  assert.equal(exitCode, 0, output);
  const shown = new Map(
    [...output.matchAll(/^SHOW (.*)$/gm)].map((match) => JSON.parse(match[1]!) as [string, string]),
  );
  const entries = (name: string) => {
    const { entries: all, order } = parseEntries(shown.get(name)!);
    const labelOf = (number: string) => all.find((entry) => entry.number === number)!.label;
    return { order: order.map(labelOf), debian: all.filter(({ label }) => label === 'debian') };
  };
  for (const [name, text] of shown) t.diagnostic(`${name}\n${text}`);
  const fresh = entries('fresh');
  assert.ok(
    fresh.order.some((label) => label.startsWith('UEFI PXEv4')),
    output,
  );
  assert.equal(fresh.debian.length, 0);

  await t.test('the first deployment makes it, first in the order; the second one changes nothing', () => {
    assert.deepEqual(entries('first').order, ['debian', ...fresh.order]);
    assert.equal(shown.get('second'), shown.get('first'));
  });

  await t.test('a system with another EFI system partition takes the place of the former one', () => {
    const { order, debian } = entries('another system');
    assert.deepEqual(order, ['debian', ...fresh.order]);
    assert.equal(debian.length, 1);
    assert.match(debian[0]!.path, /11111111-2222-4333-8444-555555555555/i);
  });

  await t.test('network boot that was before it stays before it where that is wanted', () => {
    const { order } = entries('network first');
    assert.deepEqual(order, [
      ...fresh.order.filter((label) => /PXE|HTTP/.test(label)),
      'debian',
      ...fresh.order.filter((label) => !/PXE|HTTP/.test(label)),
    ]);
  });

  await t.test('what was to boot once only is left to the firmware', () => {
    assert.match(shown.get('last')!, /^BootNext: 0000$/m);
    assert.equal(entries('last').order[0], 'debian');
  });

  await t.test('the firmware boots the system by its entry', async () => {
    const words = readDebianWords(await bootDisk({ firmware: 'uefi', disk, folder: machine }));
    assert.deepEqual([words?.firmware, words?.entry], ['uefi', 'debian']);
  });
});
