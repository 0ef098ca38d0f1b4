/** Firmware files that drivers ask for by name: which there are, and copying them from Debian's non-free-firmware. */
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LICENCES } from './debian-root.ts';

const FIRMWARE_FOLDER = 'usr/lib/firmware';
const LICENCE_FOLDER = 'usr/share/doc';

/** Driver → the files that its module names, sorted; drivers that name none are left out. `tree` holds usr/lib/modules. */
export async function firmwareAsked(tree: string): Promise<Record<string, string[]>> {
  const folder = join(tree, 'usr/lib/modules');
  const asked: Record<string, string[]> = {};
  for (const path of (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.ko')).sort()) {
    const names = readFirmwareNames(await readFile(join(folder, path)));
    if (names.length > 0) asked[basename(path, '.ko')] = names;
  }
  return asked;
}

/** The `firmware=` entries of a module's .modinfo section: texts that end in a zero byte (see modinfo(8)). */
export function readFirmwareNames(module: Buffer): string[] {
  const names = new Set<string>();
  const key = Buffer.from('\0firmware=');
  for (let at = module.indexOf(key); at !== -1; at = module.indexOf(key, at + 1)) {
    const from = at + key.length;
    names.add(module.toString('latin1', from, module.indexOf(0, from)));
  }
  return [...names].sort();
}

/** Copies what is asked for and there, with the licences. Gives, for each driver, the files that no package brought. */
export async function copyFirmware(
  from: string,
  to: string,
  asked: Readonly<Record<string, readonly string[]>>,
): Promise<Record<string, string[]>> {
  const missing: Record<string, string[]> = {};
  for (const [driver, names] of Object.entries(asked)) {
    const absent: string[] = [];
    for (const name of names) {
      if (!(await copyIfThere(join(from, FIRMWARE_FOLDER, name), join(to, FIRMWARE_FOLDER, name)))) absent.push(name);
    }
    if (absent.length > 0) missing[driver] = absent;
  }
  for (const name of await readdir(join(from, LICENCES)).catch(() => [])) {
    await cp(join(from, LICENCES, name), join(to, LICENCE_FOLDER, name), { recursive: true });
  }
  return missing;
}

async function copyIfThere(source: string, target: string): Promise<boolean> {
  if ((await stat(source).catch(() => undefined)) === undefined) return false;
  await mkdir(dirname(target), { recursive: true });
  await cp(source, target, { dereference: true });
  return true;
}
