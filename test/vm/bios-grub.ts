/** A GRUB for BIOS as grub-install(8) makes one, and the machine that boots it. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#system/run.ts';

const GRUB = '/usr/lib/grub/i386-pc';
/** The one that boots is off by itself, after some seconds when alone. */
const LIMIT_S = 600;

export interface GrubOptions {
  readonly folder: string;
  /** Where its core will lie on the disk. */
  readonly coreBytes: number;
  /** How it finds its folder: settings that are embedded, the prefix, and the modules for them. */
  readonly config: readonly string[];
  readonly prefix: string;
  readonly modules: readonly string[];
}

/** The boot record and the core, with the numbers of sectors that grub-bios-setup(8) writes into them. */
export async function makeBiosGrub(o: GrubOptions): Promise<{ boot: Buffer; core: Buffer }> {
  writeFileSync(join(o.folder, 'early.cfg'), ['serial', 'terminal_output serial', ...o.config, ''].join('\n'));
  const modules = ['biosdisk', 'part_gpt', 'ext2', 'serial', 'terminal', 'configfile', 'echo', 'halt', 'normal'];
  const path = join(o.folder, 'core.img');
  const format = ['-O', 'i386-pc', '-d', GRUB, '-o', path, '-p', o.prefix, '-c', join(o.folder, 'early.cfg')];
  await run(['grub-mkimage', ...format, ...modules, ...o.modules]);
  const core = readFileSync(path);
  const first = o.coreBytes / 512;
  const boot = readFileSync(join(GRUB, 'boot.img'));
  boot.writeBigUInt64LE(BigInt(first), 0x5c);
  core.writeBigUInt64LE(BigInt(first + 1), 0x1f4);
  core.writeUInt16LE(Math.ceil(core.length / 512) - 1, 0x1fc);
  return { boot: boot.subarray(0, 440), core };
}

/** What a machine that boots the disk says on its serial port before it is off, or the limit has come. */
export async function consoleOfBios(disk: string, folder: string, limitS = LIMIT_S): Promise<string> {
  const log = join(folder, 'console.log');
  const argv = machineWith(disk, `file:${log}`);
  await run(['timeout', String(limitS), ...argv], { limitMs: 2 * LIMIT_S * 1000, okCodes: [0, 124] });
  return readFileSync(log, 'latin1');
}

/** The same, of one whose GRUB asks for a passphrase, which is typed each time. */
export async function consoleWithPassphrase(disk: string, passphrase: string): Promise<string> {
  const [program, ...args] = ['timeout', String(LIMIT_S), ...machineWith(disk, 'stdio')] as [string, ...string[]];
  const machine = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  let answered = 0;
  for await (const bytes of machine.stdout) {
    said += (bytes as Buffer).toString('latin1');
    const asked = said.match(/Enter passphrase for [^:]*: /g)?.length ?? 0;
    for (; answered < asked; answered++) machine.stdin.write(`${passphrase}\r`);
  }
  return said;
}

function machineWith(disk: string, serial: string): string[] {
  const machine = ['-accel', 'tcg', '-M', 'pc', '-m', '256', '-display', 'none', '-nic', 'none', '-no-reboot'];
  const drive = ['-drive', `file=${disk},format=raw,if=virtio,snapshot=on`];
  return ['qemu-system-x86_64', ...machine, ...drive, '-serial', serial, '-boot', 'c'];
}
