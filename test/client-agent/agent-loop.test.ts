import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentOptions, errorBodyOf, isSameWork, runAgentLoop } from '#agent/agent-loop.ts';
import type { CaptureResult, CastOrder, DeployOrder, Order, Report } from '#protocol/agent-api.ts';
import { knownError } from '#protocol/errors.ts';

const cast: CastOrder = {
  castId: '5-1',
  nonce: '0102030405060708',
  portBase: 9000,
  startTimeoutS: 30,
  receiveTimeoutS: 30,
  frames: 1,
  bytes: 1,
};
const order: DeployOrder = {
  kind: 'deploy',
  rev: 'a',
  taskId: 1,
  sessionId: 1,
  manifestId: 'ff',
  disk: { model: '', serial: '', sizeBytes: 1, sectorBytes: 512 },
  step: 'receive',
  round: 2,
  cast,
};

const capture = {
  kind: 'capture' as const,
  taskId: 1,
  sessionId: 1,
  disk: { model: 'Disk', serial: 'S1', sizeBytes: 1024, sectorBytes: 512 },
  chunkBytes: 65536,
  zstdLevel: 3,
};

test('an order with a new rev for the same step lets the work go on', () => {
  assert.ok(isSameWork(order, { ...order, rev: 'b' }));
});

test('another task, image, step, round or cast is other work', () => {
  for (const changed of [
    { taskId: 2 },
    { manifestId: 'ee' },
    { step: 'hold' as const },
    { round: 3 },
    { cast: { ...cast, castId: '5-2' } },
  ]) {
    assert.ok(!isSameWork(order, { ...order, ...changed }));
  }
  assert.ok(!isSameWork(order, { kind: 'wait', rev: 'a' }));
});

test('an error that was made deep inside gets the name of its host when it is reported', () => {
  const error = knownError('DISK_WRITE_FAILED', { disk: '/dev/sda', offset: 4096, reason: 'EIO' });
  assert.equal(errorBodyOf(error, 'pc-1').message, 'pc-1: writing /dev/sda at byte 4096 failed: EIO');
});

test('an error that nobody foresaw is reported as one of the agent, with its text', () => {
  const body = errorBodyOf(new TypeError('x is not a function'), 'pc-1');
  assert.equal(body.code, 'AGENT_FAILED');
  assert.equal(body.message, 'pc-1: x is not a function');
});

test('what changes while a report is under way is reported as soon as that is answered', async (t) => {
  // Time stands still: no heartbeat comes to help.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const order: Order = { ...capture, rev: 'c' };
  const reports: Report[] = [];
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const result = Promise.withResolvers<CaptureResult>();
  const stopping = new AbortController();
  const link = {
    order: (after: string, signal: AbortSignal) =>
      after === ''
        ? Promise.resolve(order)
        : new Promise((_, reject) => (signal.onabort = () => reject(signal.reason))),
    report: async (report: Report) => {
      reports.push(report);
      if (reports.length === 1) {
        result.resolve({ version: 1 } as CaptureResult);
        first.resolve();
        await new Promise((resolve) => setImmediate(resolve));
      } else {
        second.resolve();
      }
      return { rev: 'c' };
    },
  };
  const machine = {
    log: { warn: () => undefined },
    link,
    readInventory: async () => ({ disks: [{ ...capture.disk, path: import.meta.filename, inUse: false }] }),
  };
  const running = runAgentLoop({
    machine: machine as unknown as AgentOptions['machine'],
    hostName: 'pc-1',
    runCapture: () => result.promise,
    say: () => undefined,
    signal: stopping.signal,
  });
  await first.promise;
  await second.promise;
  assert.deepEqual(
    reports.map(({ status }) => status),
    ['working', 'done'],
  );
  stopping.abort();
  await assert.rejects(running);
});
