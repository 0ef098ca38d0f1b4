/** A real database in memory, a clock that stands still, and the inventory on them. */

import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Inventory } from '#protocol/agent-api.ts';
import { ChoiceTable } from '#server/db/choice-table.ts';
import { openDatabase } from '#server/db/database.ts';
import { KeptClock } from '#server/db/kept-clock.ts';
import { EventLog } from '#server/inventory/events.ts';
import { Finishers } from '#server/inventory/finishers.ts';
import { Groups } from '#server/inventory/groups.ts';
import { Hosts } from '#server/inventory/hosts.ts';
import { Secrets } from '#server/inventory/secrets.ts';
import { Tokens } from '#server/inventory/tokens.ts';
import type { Clock } from '#system/clock.ts';

export const LOST_AFTER_MS = 30_000;
export const BOOT_TOKEN_MS = 600_000;

export function makeInventory(runningSessionOf: (hostId: number) => number | undefined = () => undefined) {
  /** `setMs`: by how much somebody has set the clock. */
  const time = { ms: 1_000_000, setMs: 0 };
  const clock: Clock = {
    nowMs: () => time.ms + time.setMs,
    steadyMs: () => time.ms,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  };
  const database = openDatabase(':memory:');
  const events = new EventLog(database, clock);
  const hosts = new Hosts({ database, events, clock, lostAfterMs: LOST_AFTER_MS, runningSessionOf });
  const groups = new Groups({ database, hosts, events });
  const tokens = new Tokens({
    database,
    hosts,
    events,
    clock,
    kept: new KeptClock(database, clock),
    bootTokenMs: BOOT_TOKEN_MS,
  });
  // Nothing is written there before a finisher is added.
  const dir = join(tmpdir(), `fc-finishers-${randomUUID()}`);
  const finishers = new Finishers({ database, dir, events, clock });
  const secretsDir = join(tmpdir(), `fc-secrets-${randomUUID()}`);
  const secrets = new Secrets({ dir: secretsDir, database, events, sessionNaming: () => undefined });
  const choices = new ChoiceTable(database);
  return {
    choices,
    secrets,
    secretsDir,
    time,
    clock,
    database,
    events,
    hosts,
    groups,
    finishers,
    finishersDir: dir,
    tokens,
  };
}

export const SAMPLE_UUID = '564d0d3c-1f3a-4f6e-9a63-2b1c0d4e5f60';

export function sampleInventory(mac: string, systemUuid = SAMPLE_UUID): Inventory {
  return {
    systemUuid,
    mac,
    macs: [mac],
    manufacturer: 'LabCo',
    product: 'VirtPC',
    serial: 'S01',
    firmware: 'light',
    cpus: 2,
    memoryBytes: 2 ** 31,
    address: '10.77.0.11',
    interface: 'eth0',
    disks: [],
  };
}
