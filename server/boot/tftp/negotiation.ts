/** What client and server agree on before the first block: blksize (RFC 2348), tsize and timeout (RFC 2349), windowsize (RFC 7440). */

/** RFC 1350's blocks. */
const DEFAULT_BLOCK_BYTES = 512;
/** The least that a client may ask for (RFC 2348). */
const MIN_BLOCK_BYTES = 8;
/** One Ethernet packet of 1500 bytes without its IP, UDP and TFTP headers: boot ROMs do not put fragments together. */
export const MAX_BLOCK_BYTES = 1468;
/** The most that one request may make the server send at once. */
export const MAX_WINDOW_BLOCKS = 64;
const MAX_ASKED_BLOCK_BYTES = 65464;
const MAX_ASKED_WINDOW = 65535;

export interface TransferTerms {
  readonly blockBytes: number;
  readonly windowBlocks: number;
  /** Time until the client sends again, as it said; absent when it did not. */
  readonly timeoutS?: number;
  /** What the OACK says; empty: there is none, and block 1 is the first answer. */
  readonly acknowledged: ReadonlyMap<string, string>;
}

/** An option that is unknown or has a bad value is left out, as if it had not been asked for (RFC 2347 §3). */
export function agreeOn(asked: ReadonlyMap<string, string>, fileBytes: number): TransferTerms {
  const acknowledged = new Map<string, string>();
  let blockBytes = DEFAULT_BLOCK_BYTES;
  let windowBlocks = 1;
  let timeoutS: number | undefined;
  for (const [name, value] of asked) {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : -1;
    if (name === 'blksize' && number >= MIN_BLOCK_BYTES && number <= MAX_ASKED_BLOCK_BYTES) {
      blockBytes = Math.min(number, MAX_BLOCK_BYTES);
      acknowledged.set(name, String(blockBytes));
    } else if (name === 'windowsize' && number >= 1 && number <= MAX_ASKED_WINDOW) {
      windowBlocks = Math.min(number, MAX_WINDOW_BLOCKS);
      acknowledged.set(name, String(windowBlocks));
    } else if (name === 'timeout' && number >= 1 && number <= 255) {
      timeoutS = number;
      acknowledged.set(name, value);
    } else if (name === 'tsize' && number >= 0) {
      acknowledged.set(name, String(fileBytes));
    }
  }
  return { blockBytes, windowBlocks, ...(timeoutS === undefined ? {} : { timeoutS }), acknowledged };
}
