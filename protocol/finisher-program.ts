/** Whether the bytes of an own finisher can be started at all: what Linux would only answer by ENOENT or ENOEXEC. Pure. */

/** ELF header (System V ABI, "ELF Header"): class in byte 4, 2 for 64 bits; machine in bytes 18 and 19, little-endian. */
const ELF_MAGIC = 0x7f454c46;
const machines: Readonly<Record<number, string>> = { 3: 'x86', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv' };

/** Why it is no program for any host; undefined: a script or an ELF program. */
export function whyNoProgram(bytes: Uint8Array): string | undefined {
  const line = firstLine(bytes);
  if (line.startsWith('\u00ef\u00bb\u00bf#!'))
    return 'a byte order mark comes before its #! line: save it as UTF-8 without BOM';
  if (line.startsWith('#!')) {
    if (!line.endsWith('\r'))
      return /^#!\s*\//.test(line) ? undefined : 'its #! line names no absolute path: write #!/bin/sh';
    return 'its lines end as on Windows (CR LF): convert it, by sed -i "s/\\r$//" FILE';
  }
  return elfMachine(bytes) === undefined
    ? 'it is no program: a script begins with #!/bin/sh (or --to PATH lays it as a file)'
    : undefined;
}

/** Node's name of the machine that it was built for, or `unknown`; undefined: it is no ELF program. */
export function elfMachine(bytes: Uint8Array): string | undefined {
  const header = Buffer.from(bytes.subarray(0, 20));
  if (header.length < 20 || header.readUInt32BE(0) !== ELF_MAGIC) return undefined;
  return machines[header.readUInt16LE(18)] ?? 'unknown';
}

/** Of a script; empty: it has none. */
export function interpreterOf(bytes: Uint8Array): string {
  return /^#!\s*(\S+)/.exec(firstLine(bytes))?.[1] ?? '';
}

function firstLine(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  return text.split('\n', 1)[0]!;
}
