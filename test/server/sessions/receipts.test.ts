import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { SessionRow } from '#server/db/session-row.ts';
import type { TaskRow } from '#server/db/task-row.ts';
import { makeReceipts } from '#server/sessions/receipts.ts';

test('a host that was dropped from a cast and parked has a receipt, and a second attempt one of its own', () => {
  const actions = ['receiving', 'dropped', 'parked', 'repairing', 'failed', 'receiving', 'succeeded'];
  const events = actions.map((action, i) => ({
    ...{ eventId: i, atMs: 1000 * i, subject: 'task', action, sessionId: 1, hostId: 7, host: 'pc-07', text: '' },
  })) as EventView[];
  const task = { taskId: 1, hostId: 7, host: 'pc-07', state: 'failed', rounds: 1 } as unknown as TaskRow;
  const tasks = [task, { ...task, taskId: 2, state: 'succeeded' } as TaskRow];
  const [first, second] = makeReceipts(
    { kind: 'deploy', sessionId: 1, request: {} } as unknown as SessionRow,
    tasks,
    events,
  );
  assert.deepEqual([first!.passes, first!.repairs, first!.parked], [1, 1, 1]);
  assert.deepEqual([second!.passes, second!.repairs, second!.parked], [1, 0, 0]);
});
