import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { repairEsp } from '#agent/finishers/efi-system.ts';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import type { Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeEmptyFile } from '../filesystems.ts';
import { diskOf, writeInto } from '../test-disk.ts';

const MiB = 1024 * 1024;

async function esp(t: TestContext, files: readonly string[]) {
  const folder = tempFolder(t);
  const [disk, image, file] = ['disk', 'esp', 'file'].map((name) => join(folder, name)) as [string, string, string];
  makeEmptyFile(image, 34 * MiB);
  await run(['mkfs.fat', '-F', '32', image]);
  for (const path of files) {
    const folders = path.split('/').slice(0, -1);
    for (const i of folders.keys())
      await run(['mmd', '-D', 's', '-i', image, `::/${folders.slice(0, i + 1).join('/')}`], { okCodes: [0, 1] });
    writeFileSync(file, path);
    await run(['mcopy', '-i', image, file, `::/${path}`]);
  }
  makeEmptyFile(disk, 36 * MiB);
  writeInto(disk, MiB, readFileSync(image));
  const said: string[] = [];
  const context = {
    ...{ disk: diskOf(disk), firmware: 'light', signal: new AbortController().signal },
    say: (line: string) => void said.push(line),
  } as unknown as FinisherContext;
  const repair = () => repairEsp({ startBytes: MiB } as Volume, context);
  const read = async (path: string) => (await run(['mtype', '-i', `${disk}@@${MiB}`, `::/${path}`])).stdout;
  return { repair, read, said };
}

test('an EFI system partition gets the fallback path from shim, with what shim needs beside it', async (t) => {
  const { repair, read, said } = await esp(t, ['EFI/debian/shimx64.efi', 'EFI/debian/grubx64.efi']);
  assert.deepEqual(await repair(), []);
  assert.equal(await read('EFI/BOOT/BOOTX64.EFI'), 'EFI/debian/shimx64.efi');
  assert.equal(await read('EFI/BOOT/grubx64.efi'), 'EFI/debian/grubx64.efi');
  await repair();
  assert.deepEqual(said, ['EFI/BOOT/BOOTX64.EFI is made from EFI/debian/shimx64.efi', 'EFI/BOOT/BOOTX64.EFI is there']);
});

test('a fallback path that is there stays, and a Windows without its BCD is named', async (t) => {
  const { repair, read } = await esp(t, ['EFI/Boot/bootx64.efi', 'EFI/Microsoft/Boot/bootmgfw.efi']);
  const problems = await repair();
  assert.deepEqual(problems, ['the EFI system partition has no EFI/Microsoft/Boot/BCD: Windows will not start']);
  assert.equal(await read('EFI/BOOT/BOOTX64.EFI'), 'EFI/Boot/bootx64.efi');
});

test('an EFI system partition without a loader is named', async (t) => {
  const { repair } = await esp(t, ['README']);
  assert.deepEqual(await repair(), ['the EFI system partition has no boot loader']);
});
