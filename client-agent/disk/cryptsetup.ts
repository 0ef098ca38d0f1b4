/** cryptsetup(8): pure functions make its arguments, others run it. Keys go in by its standard input, never in arguments. */
import type { LuksContainer } from '#protocol/luks-container.ts';
import { run } from '#system/run.ts';

/** What cryptsetup makes of a wrong passphrase (cryptsetup(8), RETURN CODES). */
const WRONG_KEY = 2;
/** Argon2 with 1 GiB on a slow machine takes half a minute. */
const LIMIT_MS = 5 * 60_000;
/** What a key slot is to take to open on the machine that makes it, in ms; cryptsetup's own default. */
const UNLOCK_MS = 2000;
const MIB = 1024 * 1024;
/** Of the memory that is free: the agent and its buffers need the rest. */
const SHARE_OF_FREE = 1 / 4;
const LEAST_MEMORY_BYTES = 32 * MIB;
/** cryptsetup's own default. */
const MOST_MEMORY_BYTES = 1024 * MIB;

/** Options of `open` for the flags of a header. */
const flagOptions: Readonly<Record<string, string>> = {
  'allow-discards': '--allow-discards',
  'same-cpu-crypt': '--perf-same_cpu_crypt',
  'submit-from-crypt-cpus': '--perf-submit_from_crypt_cpus',
  'no-read-workqueue': '--perf-no_read_workqueue',
  'no-write-workqueue': '--perf-no_write_workqueue',
};

/** Memory that opening a key slot takes, in KiB: a machine with little makes one that it can open. Pure. */
export function pbkdfMemoryKiB(freeBytes: number): number {
  const bytes = Math.max(LEAST_MEMORY_BYTES, Math.min(MOST_MEMORY_BYTES, freeBytes * SHARE_OF_FREE));
  return Math.floor(bytes / 1024);
}

/** Makes a header like the source's, with a volume key of its own, in the file at `path`. */
export function formatArgv(container: LuksContainer, path: string, memoryKiB: number): string[] {
  const { version, uuid, label, subsystem, cipher, keyBytes, sectorBytes, payloadOffsetBytes, hash } = container;
  const own =
    version === 1
      ? []
      : [
          ...(label === undefined ? [] : ['--label', label]),
          ...(subsystem === undefined ? [] : ['--subsystem', subsystem]),
          ...['--sector-size', String(sectorBytes)],
        ];
  return [
    ...['cryptsetup', 'luksFormat', '--batch-mode', '--type', `luks${version}`, '--uuid', uuid, ...own],
    ...['--cipher', cipher, '--key-size', String(keyBytes * 8), '--offset', String(payloadOffsetBytes / 512)],
    ...['--hash', hash, ...pbkdfOptions(container, memoryKiB), '--key-file=-', path],
  ];
}

/** Adds a key slot for the key in a file; standard input is a key that opens it already. */
export function addKeyArgv(container: LuksContainer, path: string, keyPath: string, memoryKiB: number): string[] {
  return [
    ...['cryptsetup', 'luksAddKey', '--batch-mode', '--hash', container.hash, ...pbkdfOptions(container, memoryKiB)],
    ...['--key-file=-', path, keyPath],
  ];
}

/** Wipes a key slot; in batch mode without asking for a key of another one. */
export function killSlotArgv(path: string, slot: number): string[] {
  return ['cryptsetup', 'luksKillSlot', '--batch-mode', path, String(slot)];
}

/** Removes a token of LUKS2, which names a way to a key (cryptsetup-token(8)). */
export function removeTokenArgv(path: string, token: number): string[] {
  return ['cryptsetup', 'token', 'remove', '--token-id', String(token), path];
}

function pbkdfOptions({ version, pbkdf }: LuksContainer, memoryKiB: number): string[] {
  const time = ['--iter-time', String(UNLOCK_MS)];
  if (version === 1) return time;
  return ['--pbkdf', pbkdf, ...(pbkdf === 'pbkdf2' ? [] : ['--pbkdf-memory', String(memoryKiB)]), ...time];
}

export interface OpenOptions {
  readonly device: string;
  /** Name of the mapping. */
  readonly name: string;
  /** A file with the header; absent: it is at the start of the device. */
  readonly headerPath?: string | undefined;
  readonly mode: 'read' | 'write';
  /** How it is to be opened from now on, by the flags that a header keeps. */
  readonly keepFlags?: readonly string[] | undefined;
}

/** Opens a container as /dev/mapper/NAME; the key comes on standard input, to its last byte (cryptsetup-open(8)). */
export function openArgv({ device, name, headerPath, mode, keepFlags = [] }: OpenOptions): string[] {
  const kept = keepFlags.flatMap((flag) => flagOptions[flag] ?? []);
  return [
    ...['cryptsetup', 'open', '--type', 'luks', '--disable-keyring', '--key-file=-'],
    ...(mode === 'read' ? ['--readonly'] : []),
    ...(headerPath === undefined ? [] : ['--header', headerPath]),
    ...(kept.length === 0 ? [] : [...kept, '--persistent']),
    ...[device, name],
  ];
}

/** False: the key is another one. Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export async function openContainer(o: OpenOptions, key: Uint8Array): Promise<boolean> {
  const { exitCode } = await run(openArgv(o), { input: key, limitMs: LIMIT_MS, okCodes: [0, WRONG_KEY] });
  return exitCode === 0;
}

/** Whether the key opens a key slot of the header in this file or device. Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export async function isKeyOf(path: string, key: Uint8Array): Promise<boolean> {
  const argv = ['cryptsetup', 'open', '--test-passphrase', '--type', 'luks', '--key-file=-', path];
  return (await run(argv, { input: key, limitMs: LIMIT_MS, okCodes: [0, WRONG_KEY] })).exitCode === 0;
}

/** Whether the key opens this key slot of the header in a file. Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export async function opensSlot(path: string, key: Uint8Array, slot: number): Promise<boolean> {
  const which = ['--key-slot', String(slot)];
  const argv = ['cryptsetup', 'open', '--test-passphrase', '--type', 'luks', ...which, '--key-file=-', path];
  return (await run(argv, { input: key, limitMs: LIMIT_MS, okCodes: [0, WRONG_KEY] })).exitCode === 0;
}

/** Throws PROGRAM_FAILED when it is in use or not open. */
export async function closeContainer(name: string): Promise<void> {
  await run(['cryptsetup', 'close', name], { limitMs: LIMIT_MS });
}

/** Runs cryptsetup with what is to go into its standard input. Throws PROGRAM_FAILED, PROGRAM_MISSING. */
export async function runWithKey(argv: readonly string[], input: Uint8Array): Promise<void> {
  await run(argv, { input, limitMs: LIMIT_MS });
}
