/** Answers of the daemon as the API describes them, to start from in tests. */

import type { EventView } from '#protocol/admin/event-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { ImageView } from '#protocol/admin/image-api.ts';
import type { DeployPlan, PlanHost } from '#protocol/admin/plan-api.ts';
import type { CastView, SessionView, TaskView } from '#protocol/admin/session-api.ts';
import type { DaemonStatus } from '#protocol/admin/status-api.ts';
import { type ErrorBody, type ErrorCode, knownError } from '#protocol/errors.ts';

/** 2026-11-22 03:00:00 UTC. */
export const T0 = Date.UTC(2026, 10, 22, 3, 0, 0);

export const disk = { model: 'Samsung 980', serial: 'S64DNX0R', sizeBytes: 256_060_514_304, sectorBytes: 512 };

export const status: DaemonStatus = {
  version: '0.1.0',
  pid: 4711,
  startedAtMs: T0,
  interface: 'enp3s0',
  address: '10.0.0.1',
  agentUrl: 'http://10.0.0.1:8470',
  dataDir: '/var/lib/fleetcast',
  hosts: 42,
  images: 1,
  runningSessions: 0,
  rssBytes: 90_000_000,
};

export function host(name: string, more: Partial<HostView> = {}): HostView {
  return {
    hostId: 1,
    name,
    approval: 'approved',
    macs: ['52:54:00:00:00:01'],
    groups: ['room-101'],
    presence: 'away',
    ...more,
  };
}

export const image: ImageView = {
  name: 'win11-lab',
  versions: [
    {
      version: 3,
      manifestId: 'ab'.repeat(32),
      parent: 2,
      createdAtMs: T0,
      sourceHost: 'pc-01',
      diskBytes: 256_060_514_304,
      usedBytes: 41_000_000_000,
      chunks: 160_000,
      storedBytes: 13_000_000_000,
      addedBytes: 200_000_000,
      warnings: [],
    },
  ],
};

export function planHost(name: string, more: Partial<PlanHost> = {}): PlanHost {
  return {
    hostId: 1,
    host: name,
    presence: 'away',
    disk,
    diskPath: '/dev/nvme0n1',
    lost: 'gpt: 1 vfat 100 MiB "EFI", 2 ntfs',
    fit: 'exact',
    ...more,
  };
}

export function plan(hosts: PlanHost[]): DeployPlan {
  return {
    planId: 'plan-1',
    image: 'win11-lab',
    version: 3,
    manifestId: 'ab'.repeat(32),
    diskBytes: 256_060_514_304,
    usedBytes: 41_000_000_000,
    storedBytes: 13_000_000_000,
    hosts,
    expectedSeconds: 330,
    expectedBecause: 'one pass at 940 Mbit/s, then reading back at 500 MB/s',
  };
}

export function task(name: string, state: TaskView['state'], more: Partial<TaskView> = {}): TaskView {
  return { taskId: idOf(name), hostId: idOf(name), host: name, state, disk, isLost: false, ...more };
}

export function failure(code: ErrorCode, values: Record<string, string | number>): { error: ErrorBody } {
  return { error: knownError(code, values).toBody() };
}

export function cast(more: Partial<CastView> = {}): CastView {
  return {
    castId: 'cast-1',
    pass: 1,
    receivers: 2,
    frames: 1000,
    bytes: 1_000_000_000,
    sentBytes: 0,
    startedAtMs: T0,
    ...more,
  };
}

export function session(state: SessionView['state'], tasks: TaskView[], more: Partial<SessionView> = {}): SessionView {
  return {
    sessionId: 12,
    kind: 'deploy',
    state,
    image: 'win11-lab',
    version: 3,
    manifestId: 'ab'.repeat(32),
    createdAtMs: T0,
    start: { when: 'all' },
    mode: 'multicast',
    verify: 'full',
    succeeded: tasks.filter((one) => one.state === 'succeeded').length,
    failed: tasks.filter((one) => one.state === 'failed').length,
    casts: [],
    tasks,
    ...more,
  };
}

export function succeeded(name: string, more: Partial<TaskView> = {}): TaskView {
  return task(name, 'succeeded', {
    startedAtMs: T0,
    endedAtMs: T0 + 200_000,
    deployResult: {
      disk: {
        ...disk,
        path: '/dev/nvme0n1',
        transport: 'nvme',
        removable: false,
        readOnly: false,
        inUse: false,
        content: '',
      },
      chunks: 160_000,
      castBytes: 40_900_000_000,
      httpBytes: 100_000_000,
      verifiedChunks: 160_000,
    },
    ...more,
  });
}

export function event(eventId: number, text: string, more: Partial<EventView> = {}): EventView {
  return { eventId, atMs: T0 + eventId * 1000, subject: 'session', action: 'state', sessionId: 12, text, ...more };
}

function idOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 1);
}
