/** Whether the clock of this machine follows another one. */
import { existsSync } from 'node:fs';
import { loadLibc } from '#system/libc.ts';

/** struct timex of 64-bit Linux; modes 0 only reads. */
const TIMEX_BYTES = 208;
/** adjtimex(2): the clock is not synchronised. */
const TIME_ERROR = 5;

/** Undefined when nobody can say (without koffi and systemd-timesyncd). chrony, ntpd and timesyncd all tell the kernel. */
export async function isClockSynchronised(): Promise<boolean | undefined> {
  if (existsSync('/run/systemd/timesync/synchronized')) return true;
  const state = (await loadLibc())?.adjtimex(Buffer.alloc(TIMEX_BYTES)) ?? -1;
  return state < 0 ? undefined : state !== TIME_ERROR;
}
