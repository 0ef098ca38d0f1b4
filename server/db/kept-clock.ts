/**
 * A clock for ends that outlive the daemon: of DHCP leases and boot tokens. Nobody can set it. It goes while the server machine is
 * up, whether the daemon runs or not, and stands while that is off: by how much a clock that is wrong at boot would tell otherwise,
 * nobody knows, and an address that is held too long is harmless, one that is given twice is not. It began at the time of day.
 */
import { type BootTime, systemBootTime } from '#system/boot-time.ts';
import type { Clock } from '#system/clock.ts';
import type { Database } from './database.ts';

interface KeptRow {
  readonly boot_id: string;
  readonly up_ms: number;
  readonly kept_ms: number;
}

/** It is written down with the ends that are reckoned by it, this often at most, in ms: what passed since does not outlive a reboot. */
const WRITE_EVERY_MS = 60_000;

export class KeptClock {
  readonly #clock: Pick<Clock, 'nowMs' | 'steadyMs'>;
  readonly #bootTime: BootTime;
  readonly #put;
  readonly #bootId: string;
  /** Both at the start of the daemon. */
  readonly #startedKeptMs: number;
  readonly #startedSteadyMs: number;
  #writtenMs: number;

  constructor(database: Database, clock: Pick<Clock, 'nowMs' | 'steadyMs'>, bootTime = systemBootTime) {
    this.#clock = clock;
    this.#bootTime = bootTime;
    this.#put = database.prepare<KeptRow>(
      `INSERT INTO kept_clock (id, boot_id, up_ms, kept_ms) VALUES (1, :boot_id, :up_ms, :kept_ms)
       ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, up_ms = excluded.up_ms, kept_ms = excluded.kept_ms`,
    );
    this.#bootId = bootTime.bootId;
    const row = database.prepare<[], KeptRow>('SELECT boot_id, up_ms, kept_ms FROM kept_clock').get();
    this.#startedKeptMs = startOf(row, this.#bootId, bootTime.upMs(), clock.nowMs());
    this.#startedSteadyMs = clock.steadyMs();
    this.#writtenMs = Number.NEGATIVE_INFINITY;
  }

  keptMs(): number {
    return Math.round(this.#startedKeptMs + this.#clock.steadyMs() - this.#startedSteadyMs);
  }

  /** The moment in `ms` from now, to be written to the database. */
  endOf(ms: number): number {
    const keptMs = this.keptMs();
    if (keptMs - this.#writtenMs >= WRITE_EVERY_MS) {
      this.#writtenMs = keptMs;
      this.#put.run({ boot_id: this.#bootId, up_ms: this.#bootTime.upMs(), kept_ms: keptMs });
    }
    return keptMs + ms;
  }

  /** By the clock that people read. */
  readableMs(keptMs: number): number {
    return this.#clock.nowMs() + keptMs - this.keptMs();
  }
}

function startOf(row: KeptRow | undefined, bootId: string, upMs: number, nowMs: number): number {
  if (row === undefined) return nowMs;
  return row.boot_id === bootId ? row.kept_ms + Math.max(0, upMs - row.up_ms) : row.kept_ms;
}
