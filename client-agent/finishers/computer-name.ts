/**
 * The name of a Windows, written into its registry while it is off: the hive SYSTEM, by reged(8) on a copy, read back by hivexsh(1).
 * Keys: ControlSet\Control\ComputerName\ComputerName and ControlSet\Services\Tcpip\Parameters, of the control sets that
 * Select names (Microsoft, "HKLM\SYSTEM\CurrentControlSet Registry Tree").
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { run } from '#system/run.ts';
import { onWindows } from './finisher.ts';
import { hostnameFrom } from './hostname.ts';
import { findIgnoringCase } from './target-system.ts';

/** Of a NetBIOS name (Microsoft, "Naming conventions in Active Directory"). */
const MOST_NETBIOS = 15;
const LIMIT_MS = 60_000;
const NAME_KEY = 'Control\\ComputerName\\ComputerName';
const TCPIP_KEY = 'Services\\Tcpip\\Parameters';

export interface WindowsName {
  /** At most 15 characters, in capitals. */
  readonly computer: string;
  /** Name in DNS. */
  readonly host: string;
}

export const setComputerName = onWindows(async (root, { values, signal, say }) => {
  const name = windowsNameFrom(values.hostname);
  const path = await findIgnoringCase(root.path, ['Windows', 'System32', 'config', 'SYSTEM']);
  if (path === undefined) throw new Error('there is no Windows\\System32\\config\\SYSTEM');
  const bytes = await readFile(path);
  const problem = problemOfHive(bytes);
  if (problem !== undefined) throw new Error(`Windows\\System32\\config\\SYSTEM ${problem}`);
  const folder = await mkdtemp(join(tmpdir(), 'fleetcast-hive-'));
  try {
    const [hive, changes] = [join(folder, 'SYSTEM'), join(folder, 'name.reg')];
    await writeFile(hive, bytes);
    const read = (key: string, value: string) => readValue(hive, key, value, signal);
    const sets = new Set<string>();
    for (const value of ['Current', 'Default']) {
      const number = await read('Select', value);
      if (number !== undefined) sets.add(controlSet(number));
    }
    if (sets.size === 0) throw new Error('the hive SYSTEM does not say which control set is in use');
    const [set] = [...sets];
    const old = await read(`${set}\\${NAME_KEY}`, 'ComputerName');
    await writeFile(changes, registryFile([...sets], name));
    // reged(8): 2 is "changed and written".
    const argv = ['reged', '-C', '-I', hive, 'HKEY_LOCAL_MACHINE\\SYSTEM', changes];
    await run(argv, { signal, limitMs: LIMIT_MS, okCodes: [0, 2] });
    for (const one of sets) {
      const found = [
        await read(`${one}\\${NAME_KEY}`, 'ComputerName'),
        await read(`${one}\\${TCPIP_KEY}`, 'Hostname'),
        await read(`${one}\\${TCPIP_KEY}`, 'NV Hostname'),
      ];
      const isSet = found[0] === name.computer && found[1] === name.host && found[2] === name.host;
      if (!isSet) throw new Error(`${one} reads back otherwise: ${found.join(', ')}`);
    }
    await root.write(relative(root.path, path), await readFile(hive));
    say(`${old ?? 'no name'} is now ${name.computer} (${[...sets].join(', ')})`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** What Windows takes for a name, made of any text. Throws an Error when nothing is left, or only digits. Pure. */
export function windowsNameFrom(text: string): WindowsName {
  const [host] = hostnameFrom(text).split('.') as [string, ...string[]];
  const computer = host.toUpperCase().slice(0, MOST_NETBIOS).replace(/-+$/, '');
  if (/^\d+$/.test(computer)) throw new Error(`Windows takes no name of digits alone: ${computer}`);
  return { computer, host };
}

/**
 * Why a hive is not to be changed; undefined: it is whole. Base block (regf format, as libhivex reads it): 0 `regf`, 4 and 8 (u32)
 * counters that differ while Windows writes, or when the rest of it is in the .LOG files.
 */
export function problemOfHive(bytes: Buffer): string | undefined {
  if (bytes.length < 4096 || bytes.toString('latin1', 0, 4) !== 'regf') return 'is not a registry hive';
  if (bytes.readUInt32LE(4) === bytes.readUInt32LE(8)) return undefined;
  return 'was not closed: shut Windows down for good (shutdown /s /t 0, not fast startup), and capture it again';
}

/** What reged imports. Values that are not named stay as they are. Pure. */
export function registryFile(sets: readonly string[], { computer, host }: WindowsName): string {
  const blocks = sets.flatMap((set) => [
    `[HKEY_LOCAL_MACHINE\\SYSTEM\\${set}\\${NAME_KEY}]`,
    `"ComputerName"="${computer}"`,
    '',
    `[HKEY_LOCAL_MACHINE\\SYSTEM\\${set}\\${TCPIP_KEY}]`,
    `"Hostname"="${host}"`,
    `"NV Hostname"="${host}"`,
    '',
  ]);
  return ['Windows Registry Editor Version 5.00', '', ...blocks, ''].join('\r\n');
}

function controlSet(number: string): string {
  return `ControlSet${number.padStart(3, '0')}`;
}

async function readValue(hive: string, key: string, value: string, signal: AbortSignal): Promise<string | undefined> {
  // Not hivexget(1): that is a script for bash, which the agent image does not have.
  const input = `cd \\${key}\nlsval ${value}\n`;
  const { stdout, exitCode } = await run(['hivexsh', hive], { signal, input, limitMs: LIMIT_MS, okCodes: [0, 1] });
  return exitCode === 0 ? stdout.trim() : undefined;
}
