/**
 * The EFI system partition of the disk, read and written by mtools(1) where it lies, without being mounted: the fallback path that firmware without
 * boot entries looks for (UEFI 2.10, 3.5.1.1), and Windows' own files. Then the boot entries of this machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Volume } from '#protocol/manifest.ts';
import { run } from '#system/run.ts';
import { decideEntries, findLoader, type Loader, parseEntries } from './efi-entries.ts';
import type { FinisherContext } from './finisher.ts';

const LIMIT_MS = 60_000;
const FALLBACK = 'EFI/BOOT/BOOTX64.EFI';

/** Gives what is wrong. Throws PROGRAM_MISSING, PROGRAM_FAILED. May be repeated. */
export async function repairEsp(esp: Volume, context: FinisherContext): Promise<string[]> {
  const { disk, firmware, signal, say } = context;
  const image = `${disk.path}@@${esp.startBytes}`;
  const mtools = (command: string, ...args: string[]) =>
    run(['mtools', '-c', command, '-i', image, ...args], { signal, limitMs: LIMIT_MS });
  const files = readListing((await mtools('mdir', '-/', '-b', '::/')).stdout);
  const problems: string[] = [];
  const has = (path: string) => files.some((file) => file.toLowerCase() === path.toLowerCase());
  const isWindows = files.some((file) => /^EFI\/Microsoft\/Boot\//i.test(file));
  for (const path of isWindows ? ['EFI/Microsoft/Boot/bootmgfw.efi', 'EFI/Microsoft/Boot/BCD'] : []) {
    if (!has(path)) problems.push(`the EFI system partition has no ${path}: Windows will not start`);
  }
  const loader = findLoader(files);
  if (loader === undefined) return [...problems, 'the EFI system partition has no boot loader'];
  if (has(FALLBACK)) say(`${FALLBACK} is there`);
  else await makeFallback(loader, mtools, say);
  if (firmware === 'uefi') await setEntries(esp, loader, context);
  return problems;
}

/** Paths of files from `mdir -/ -b`. Pure. */
function readListing(stdout: string): string[] {
  return stdout
    .split('\n')
    .map((line) => line.trim().replace(/^::\//, ''))
    .filter((path) => path !== '' && !path.endsWith('/'));
}

/** shim wants its GRUB beside it. */
async function makeFallback(
  { folder, file, beside }: Loader,
  mtools: (command: string, ...args: string[]) => Promise<unknown>,
  say: (line: string) => void,
): Promise<void> {
  // Either may be there already: mmd(1) asks nothing with -D s (skip).
  await mtools('mmd', '-D', 's', '::/EFI', '::/EFI/BOOT').catch(() => undefined);
  const copy = async (from: string, to: string) => {
    const work = await mkdtemp(join(tmpdir(), 'fleetcast-esp-'));
    try {
      await mtools('mcopy', '-n', `::/${folder}/${from}`, `${work}/file`);
      await mtools('mcopy', '-o', `${work}/file`, `::/${to}`);
    } finally {
      await rm(work, { recursive: true });
    }
  };
  for (const name of beside) await copy(name, `EFI/BOOT/${name}`);
  await copy(file, FALLBACK);
  say(`${FALLBACK} is made from ${folder}/${file}`);
}

/** Entries of this machine's firmware; a firmware whose variables cannot be written keeps what it has, and boots by the fallback path. */
async function setEntries(esp: Volume, loader: Loader, context: FinisherContext): Promise<void> {
  const { disk, hardwarePath = disk.path, manifest, keepNetbootFirst, signal, say } = context;
  const options = { signal, limitMs: LIMIT_MS };
  const listed = await run(['efibootmgr', '-v'], options).catch(() => undefined);
  if (listed === undefined)
    return say('the boot entries of the firmware cannot be read: it boots by the fallback path');
  const partition = manifest.head.layout.partitions.find(({ number }) => number === esp.partition);
  const decision = decideEntries(parseEntries(listed.stdout), {
    ...(partition?.uuid === undefined ? {} : { espUuid: partition.uuid }),
    loader,
    keepNetbootFirst,
  });
  for (const number of decision.remove) await run(['efibootmgr', '-q', '-b', number, '-B'], options);
  if (decision.create !== undefined) {
    const { label, path } = decision.create;
    const where = ['-d', hardwarePath, '-p', String(esp.partition)];
    await run(['efibootmgr', '-q', '-c', ...where, '-L', label, '-l', path], options);
  }
  const after = parseEntries((await run(['efibootmgr', '-v'], options)).stdout);
  const { order } = decideEntries(after, {
    ...(partition?.uuid === undefined ? {} : { espUuid: partition.uuid }),
    loader,
    keepNetbootFirst,
  });
  await run(['efibootmgr', '-q', '-o', order.join(',')], options);
  say(
    `boot entries: removed ${decision.remove.length}, ${decision.create === undefined ? 'kept' : 'made'} ${loader.label}; order ${order.join(',')}`,
  );
}
