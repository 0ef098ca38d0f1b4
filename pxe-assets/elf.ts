/** Reads which shared libraries a program wants: the DT_NEEDED entries and the interpreter of a 64-bit little-endian ELF file. */

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0n;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;

export interface ElfNeeds {
  readonly libraries: readonly string[];
  readonly interpreter: string | undefined;
}

/** Undefined when the bytes are not a 64-bit little-endian ELF file. Source: elf(5). */
export function readElfNeeds(bytes: Buffer): ElfNeeds | undefined {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return undefined;
  const headers = readProgramHeaders(bytes);
  const interpreterHeader = headers.find((header) => header.type === PT_INTERP);
  const dynamic = headers.find((header) => header.type === PT_DYNAMIC);
  const interpreter = interpreterHeader && readText(bytes, interpreterHeader.offset);
  if (dynamic === undefined) return { libraries: [], interpreter };

  const wanted: bigint[] = [];
  let stringsAddress = 0n;
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.fileBytes; at += 16) {
    const tag = bytes.readBigInt64LE(at);
    const value = bytes.readBigUInt64LE(at + 8);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) wanted.push(value);
    if (tag === DT_STRTAB) stringsAddress = value;
  }
  const holder = headers.find(
    ({ type, address, fileBytes }) =>
      type === PT_LOAD && stringsAddress >= address && stringsAddress < address + BigInt(fileBytes),
  );
  if (holder === undefined) return { libraries: [], interpreter };
  const strings = holder.offset + Number(stringsAddress - holder.address);
  return { libraries: wanted.map((offset) => readText(bytes, strings + Number(offset))), interpreter };
}

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileBytes: number;
}

function readProgramHeaders(bytes: Buffer): ProgramHeader[] {
  const start = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  return Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => {
    const at = start + i * size;
    return {
      type: bytes.readUInt32LE(at),
      offset: Number(bytes.readBigUInt64LE(at + 8)),
      address: bytes.readBigUInt64LE(at + 16),
      fileBytes: Number(bytes.readBigUInt64LE(at + 32)),
    };
  });
}

function readText(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}
