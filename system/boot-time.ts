/** How long this machine has been up, by a clock that nobody sets: the same to every program until the next boot. */
import { readFileSync } from 'node:fs';

export interface BootTime {
  /** Another one after each boot (random(4)). */
  readonly bootId: string;
  /** Since the boot, in ms. */
  upMs(): number;
}

export const systemBootTime: BootTime = {
  get bootId() {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  },
  // CLOCK_MONOTONIC (libuv's uv_hrtime), whose zero is the boot.
  upMs: () => Number(process.hrtime.bigint() / 1_000_000n),
};
