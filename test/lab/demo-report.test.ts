import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demoSummary, outcomeOf, type VmOutcome } from '#lab/demo-report.ts';
import type { ImageView } from '#protocol/admin/image-api.ts';
import type { SessionView, TaskView } from '#protocol/admin/session-api.ts';

const taskOf = (host: string) => ({ host, state: 'succeeded' }) as TaskView;
const session = { createdAtMs: 0, casts: [], tasks: ['vm-1', 'vm-2', 'pc-01'].map(taskOf) } as unknown as SessionView;
const image = { versions: [{ usedBytes: 5 }] } as ImageView;
const check = { path: '/disk', problems: [], files: 3 };
const booted: readonly VmOutcome[] = [
  { name: 'vm-1', firmware: 'BIOS', line: 'RESTORED-OS-IS-UP golden' },
  { name: 'vm-2', firmware: 'UEFI', line: undefined },
];

test('a virtual machine whose restored system said nothing is not right, though its disk is', () => {
  const outcomes = ['vm-1', 'vm-2', 'pc-01'].map((name) => outcomeOf(name, session, check, booted));
  assert.deepEqual(
    outcomes.map(({ isRight }) => isRight),
    [true, false, true],
  );
  assert.match(outcomes[1]!.problems[0]!, /serial console/);
});

test('the summary shows what each virtual machine said, and counts those that spoke', () => {
  const outcomes = ['vm-1', 'vm-2', 'pc-01'].map((name) => outcomeOf(name, session, check, booted));
  const facts = { session, image, bare: undefined, outcomes, vms: booted, linkMbit: 25, demoSeconds: 1 };
  const { lines, json } = demoSummary(facts);
  assert.deepEqual([json.hosts, json.vms, json.vmsBooted, json.verified], [3, 2, 1, 2]);
  assert.deepEqual(lines.slice(0, 3), [
    'vm-1 (BIOS), serial console: RESTORED-OS-IS-UP golden',
    'vm-2 (UEFI), serial console: NOTHING',
    '1 of 2 virtual machines booted what was restored.',
  ]);
});

test('a host that took no part is not right', () => {
  assert.deepEqual(outcomeOf('pc-02', session, check, []).problems, ['took no part']);
});
