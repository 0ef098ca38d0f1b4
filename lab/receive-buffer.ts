/**
 * The kernel's limit for socket receive buffers. udp-receiver asks for 4 MiB; with Debian's default of 208 KiB five to
 * twenty percent of a cast are sent twice. The setting is the whole machine's, so it is only raised, and put back.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labRoot } from './run-folder.ts';

const SETTING = '/proc/sys/net/core/rmem_max';
const WANTED_BYTES = 4 * 1024 * 1024;

const savedFile = () => join(labRoot(), 'rmem_max.before');

/** Returns the sentence to print when something was changed (or could not be); undefined when the limit is high enough. */
export function raiseReceiveBuffer(): string | undefined {
  const before = Number(readFileSync(SETTING, 'utf8'));
  if (before >= WANTED_BYTES) return undefined;
  try {
    writeFileSync(SETTING, String(WANTED_BYTES));
  } catch (error) {
    return `net.core.rmem_max stays at ${before} (${(error as Error).message}): expect retransmits`;
  }
  mkdirSync(labRoot(), { recursive: true });
  writeFileSync(savedFile(), String(before));
  return `net.core.rmem_max raised from ${before} to ${WANTED_BYTES} until the last lab is gone`;
}

/** Call it when no other lab is left. May be repeated. */
export function restoreReceiveBuffer(): void {
  try {
    writeFileSync(SETTING, readFileSync(savedFile(), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // nothing was raised
    throw error;
  }
  rmSync(savedFile());
}
