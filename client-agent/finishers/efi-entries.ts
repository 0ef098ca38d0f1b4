/** Boot entries of UEFI firmware: read from efibootmgr(8), and which of them are to go, to be made, and in what order. Pure. */

export interface BootEntry {
  /** Four hexadecimal digits. */
  readonly number: string;
  readonly label: string;
  /** Device path as efibootmgr prints it. */
  readonly path: string;
}

export interface BootEntries {
  readonly entries: readonly BootEntry[];
  readonly order: readonly string[];
}

export interface Loader {
  /** On the ESP, with slashes: `EFI/debian`. */
  readonly folder: string;
  readonly file: string;
  /** What it looks for in its own folder. */
  readonly beside: readonly string[];
  /** Of its boot entry. */
  readonly label: string;
}

export interface EntryDecision {
  /** Numbers of entries that lead nowhere or are there twice. */
  readonly remove: readonly string[];
  readonly create?: { readonly label: string; readonly path: string };
  /** Of what is left, the one to be made apart. */
  readonly order: readonly string[];
}

/** Loaders in the order in which one is taken when there are several: shim first, as it works with Secure Boot and without. */
const loaders: readonly {
  readonly file: RegExp;
  readonly beside: RegExp;
  readonly label: (folder: string) => string;
}[] = [
  { file: /^shimx64\.efi$/i, beside: /^(grubx64|mmx64|fbx64)\.efi$/i, label: nameOfFolder },
  { file: /^bootmgfw\.efi$/i, beside: /^$/, label: () => 'Windows Boot Manager' },
  { file: /^(grubx64|systemd-bootx64|refind_x64)\.efi$/i, beside: /^$/, label: nameOfFolder },
];

/** Reads `efibootmgr -v`. Lines that are no entries are passed over. */
export function parseEntries(stdout: string): BootEntries {
  const entries = stdout.split('\n').flatMap((line) => {
    const [, number, label, path = ''] = /^Boot([0-9A-Fa-f]{4})\*?\s+([^\t]*)(?:\t(.*))?$/.exec(line) ?? [];
    return number === undefined ? [] : [{ number: number.toUpperCase(), label: label!.trim(), path }];
  });
  const order = /^BootOrder:\s*(\S+)/m.exec(stdout)?.[1]?.toUpperCase().split(',') ?? [];
  return { entries, order };
}

/** The loader of the system on an ESP with these files. A copy at the fallback path is no system's own, but better than none. */
export function findLoader(files: readonly string[]): Loader | undefined {
  const parts = files.map((path) => ({
    folder: path.slice(0, Math.max(0, path.lastIndexOf('/'))),
    file: path.slice(path.lastIndexOf('/') + 1),
  }));
  for (const { file, beside, label } of loaders) {
    const found = parts.find((one) => file.test(one.file) && !/^EFI\/BOOT$/i.test(one.folder));
    if (found === undefined) continue;
    const others = parts.filter((one) => one.folder === found.folder && beside.test(one.file)).map((one) => one.file);
    return { ...found, beside: others, label: label(found.folder) };
  }
  const fallback = parts.find((one) => /^EFI\/BOOT$/i.test(one.folder) && /^BOOTX64\.EFI$/i.test(one.file));
  return fallback && { ...fallback, beside: [], label: 'Local disk' };
}

/**
 * One entry for the loader on this ESP, first in the order; with `keepNetbootFirst` behind those of the network. Entries with its label for
 * the same file on another partition are those of the system that was on the disk before, and more than one for this partition
 * are duplicates; all others stay.
 */
export function decideEntries(
  { entries, order }: BootEntries,
  {
    espUuid,
    loader,
    keepNetbootFirst,
  }: { readonly espUuid?: string; readonly loader: Loader; readonly keepNetbootFirst: boolean },
): EntryDecision {
  const file = `\\${loader.folder}\\${loader.file}`.replaceAll('/', '\\');
  const isFile = (entry: BootEntry) => entry.path.toLowerCase().includes(file.toLowerCase());
  const isHere = (entry: BootEntry) =>
    espUuid !== undefined && entry.path.toLowerCase().includes(espUuid.toLowerCase());
  const [own, ...twins] = entries.filter((entry) => isFile(entry) && isHere(entry));
  const stale = entries.filter((entry) => isFile(entry) && !isHere(entry) && entry.label === loader.label);
  const remove = [...twins, ...stale].map(({ number }) => number);
  const left = [...order, ...entries.map(({ number }) => number)].filter((number, i, all) => {
    return all.indexOf(number) === i && !remove.includes(number) && (order.includes(number) || number === own?.number);
  });
  const isNetwork = (number: string) =>
    /MAC\(|IPv[46]\(/.test(entries.find((entry) => entry.number === number)?.path ?? '');
  const network = keepNetbootFirst ? left.filter(isNetwork) : [];
  const first = [...network, ...(own === undefined ? [] : [own.number])];
  return {
    remove,
    ...(own === undefined ? { create: { label: loader.label, path: file } } : {}),
    order: [...first, ...left.filter((number) => !first.includes(number))],
  };
}

function nameOfFolder(folder: string): string {
  return folder.slice(folder.lastIndexOf('/') + 1);
}
