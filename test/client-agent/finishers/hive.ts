/** A registry hive as Windows has it, as small as it can be: one empty root key, into which hivexsh(1) writes the rest. */
import { writeFileSync } from 'node:fs';
import { run } from '#system/run.ts';

const BLOCK = 4096;
const NONE = 0xffffffff;
/** Offsets count from the end of the base block. */
const ROOT_AT = 0x20;
const SECURITY_AT = 0x78;

/** The hive SYSTEM of a Windows called GOLDEN that uses control set 1. */
export async function makeSystemHive(path: string): Promise<void> {
  writeFileSync(path, emptyHive());
  const folder = (...names: string[]) => ['cd \\', ...names.flatMap((name) => [`add ${name}`, `cd ${name}`])];
  const script = [
    ...[...folder('Select'), 'setval 2', 'Current', 'dword:00000001', 'Default', 'dword:00000001'],
    ...[...folder('ControlSet001', 'Control', 'ComputerName', 'ComputerName'), 'setval 1'],
    ...['ComputerName', 'string:GOLDEN'],
    ...[
      'cd \\ControlSet001',
      'add Services',
      'cd Services',
      'add Tcpip',
      'cd Tcpip',
      'add Parameters',
      'cd Parameters',
    ],
    ...['setval 3', 'Hostname', 'string:golden', 'NV Hostname', 'string:golden', 'Domain', 'string:lab.example'],
    ...['commit', ''],
  ];
  await run(['hivexsh', '-w', path], { input: script.join('\n') });
}

/** Base block, one bin with the root key and its security, the rest free (as libhivex and reged read the regf format). */
function emptyHive(): Buffer {
  const bytes = Buffer.alloc(2 * BLOCK);
  bytes.write('regf', 0, 'latin1');
  for (const [at, value] of [
    ...([
      [4, 1],
      [8, 1],
      [20, 1],
      [24, 3],
      [32, 1],
      [36, ROOT_AT],
      [40, BLOCK],
      [44, 1],
    ] as const),
  ]) {
    bytes.writeUInt32LE(value, at);
  }
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= bytes.readUInt32LE(at);
  bytes.writeUInt32LE(sum >>> 0, 508);
  const bin = bytes.subarray(BLOCK);
  bin.write('hbin', 0, 'latin1');
  bin.writeUInt32LE(BLOCK, 8);
  bin.writeInt32LE(-(SECURITY_AT - ROOT_AT), ROOT_AT);
  const key = bin.subarray(ROOT_AT + 4);
  key.write('nk', 0, 'latin1');
  key.writeUInt16LE(0x2c, 2);
  for (const at of [16, 28, 32, 40, 48]) key.writeUInt32LE(NONE, at);
  key.writeUInt32LE(SECURITY_AT, 44);
  key.writeUInt16LE(4, 72);
  key.write('ROOT', 76, 'latin1');
  bin.writeInt32LE(-48, SECURITY_AT);
  const security = bin.subarray(SECURITY_AT + 4);
  security.write('sk', 0, 'latin1');
  for (const [at, value] of [
    [4, SECURITY_AT],
    [8, SECURITY_AT],
    [12, 1],
    [16, 20],
  ] as const) {
    security.writeUInt32LE(value, at);
  }
  security.writeUInt32LE(0x80000001, 20);
  bin.writeInt32LE(BLOCK - SECURITY_AT - 48, SECURITY_AT + 48);
  return bytes;
}

/** Values of a key, as hivexget prints them. */
export async function readHive(path: string, key: string): Promise<string> {
  return (await run(['hivexget', path, key])).stdout;
}
