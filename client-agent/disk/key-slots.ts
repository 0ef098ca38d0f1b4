/**
 * The key slots of a LUKS header that lies in a file: brought to just the keys that are to open it. The volume key stays, and with it
 * all that the container holds.
 */

import { run } from '#system/run.ts';
import { killSlotArgv, opensSlot, removeTokenArgv } from './cryptsetup.ts';
import type { LuksHeader } from './luks-header.ts';

/** What was changed of a header. */
export interface SlotChange {
  /** Key slots that none of the keys opens. */
  readonly removedSlots: number;
  /** Kinds of what else opened it. */
  readonly removedTokens: readonly string[];
  readonly addedSlots: number;
}

/**
 * Takes away every slot that is not of one of the keys, and every token, and adds (`addSlot`) what is missing. Undefined: none of the keys opens
 * it, and nothing was changed. Throws PROGRAM_FAILED, PROGRAM_MISSING.
 */
export async function keepOnlyKeys(
  path: string,
  header: Pick<LuksHeader, 'keySlots' | 'tokens'>,
  keys: readonly Uint8Array[],
  addSlot: (opener: Uint8Array, key: Uint8Array) => Promise<void>,
): Promise<SlotChange | undefined> {
  const free = new Set(header.keySlots);
  const lacking: Uint8Array[] = [];
  let opener: Uint8Array | undefined;
  for (const key of keys) {
    const slot = await slotOf(path, free, key);
    if (slot === undefined) {
      lacking.push(key);
      continue;
    }
    free.delete(slot);
    opener ??= key;
  }
  if (opener === undefined) return undefined;
  for (const { id } of header.tokens) await run(removeTokenArgv(path, id));
  for (const slot of free) await run(killSlotArgv(path, slot));
  for (const key of lacking) await addSlot(opener, key);
  return {
    removedSlots: free.size,
    removedTokens: header.tokens.map(({ type }) => type),
    addedSlots: lacking.length,
  };
}

async function slotOf(path: string, slots: Iterable<number>, key: Uint8Array): Promise<number | undefined> {
  for (const slot of slots) if (await opensSlot(path, key, slot)) return slot;
  return undefined;
}
