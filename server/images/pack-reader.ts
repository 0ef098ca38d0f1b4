/** Finds out what a pack holds: from its index or, when that is damaged, from the headers of its chunks. */
import { type FileHandle, open } from 'node:fs/promises';
import { knownError } from '#protocol/errors.ts';
import { readStoredHeader, STORED_HEADER_BYTES } from '#protocol/stored-chunk.ts';
import {
  PACK_ENTRY_BYTES,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  PACK_VERSION,
  type PackEntry,
  readPackFooter,
  readPackHeader,
  readPackIndex,
} from './pack.ts';

const SCAN_BYTES = 1024 * 1024;
const STORED_MAGIC = Buffer.from('FCSC');

export interface PackContent {
  readonly entries: PackEntry[];
  /** True when the index was damaged and the chunks were found one by one: some may be lacking. */
  readonly isRescued: boolean;
}

/** Reads what a pack holds, without looking into the chunks. Throws PACK_CORRUPT when it is no pack or a newer one. */
export async function readPackContent(path: string, name: string): Promise<PackContent> {
  const file = await open(path, 'r');
  try {
    const fileBytes = (await file.stat()).size;
    const version = readPackHeader(await readUpTo(file, 0, PACK_HEADER_BYTES));
    // A damaged header costs nothing but the version: what follows still proves itself.
    if (version !== undefined && version > PACK_VERSION) {
      throw knownError('PACK_CORRUPT', {
        pack: name,
        problem: `its format version is ${version}: a newer fleetcast made it`,
      });
    }
    const entries = await readIndex(file, fileBytes, name);
    if (entries !== undefined) return { entries, isRescued: false };
    const rescued = await scanForChunks(file, fileBytes);
    if (rescued.length === 0) throw knownError('PACK_CORRUPT', { pack: name, problem: 'no chunk can be found in it' });
    return { entries: rescued, isRescued: true };
  } finally {
    await file.close();
  }
}

async function readIndex(file: FileHandle, fileBytes: number, name: string): Promise<PackEntry[] | undefined> {
  if (fileBytes < PACK_HEADER_BYTES + PACK_FOOTER_BYTES) return undefined;
  const footer = readPackFooter(await readUpTo(file, fileBytes - PACK_FOOTER_BYTES, PACK_FOOTER_BYTES), fileBytes);
  if (footer === undefined || footer.indexHash.toString('hex') !== name) return undefined;
  return readPackIndex(await readUpTo(file, footer.indexOffset, footer.count * PACK_ENTRY_BYTES), footer);
}

/** Goes from stored header to stored header; after damage it looks for the next one byte by byte. */
async function scanForChunks(file: FileHandle, fileBytes: number): Promise<PackEntry[]> {
  const entries: PackEntry[] = [];
  let position = PACK_HEADER_BYTES;
  while (position + STORED_HEADER_BYTES <= fileBytes) {
    const window = await readUpTo(file, position, SCAN_BYTES);
    if (window.length < STORED_HEADER_BYTES) break;
    let at = 0;
    while (at + STORED_HEADER_BYTES <= window.length) {
      const header = readStoredHeader(window, at);
      if (header === undefined) {
        const next = window.indexOf(STORED_MAGIC, at + 1);
        // The magic's first bytes may be the last of this window.
        at = next === -1 ? window.length - STORED_HEADER_BYTES + 1 : next;
        continue;
      }
      const { storedBytes, plainBytes } = header;
      if (position + at + STORED_HEADER_BYTES + storedBytes <= fileBytes) {
        entries.push({ id: Buffer.from(header.id), offset: position + at, storedBytes, plainBytes });
      }
      at += STORED_HEADER_BYTES + storedBytes;
    }
    position += at;
  }
  return entries;
}

async function readUpTo(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}
