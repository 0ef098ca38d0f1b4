/** Who may have which secret, and what is refused before a session begins. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, KnownError } from '#protocol/errors.ts';
import { Groups } from '#server/inventory/groups.ts';
import { goldenContainers } from '../../protocol/golden-values.ts';
import { SessionBench } from './session-bench.ts';

const isError = (code: ErrorCode) => (error: unknown) => error instanceof KnownError && error.code === code;

/** A bench whose image carries what lies in a LUKS container. */
async function bench(t: TestContext) {
  const made = new SessionBench(t);
  made.addHosts('pc-1', 'pc-2');
  made.manifest.head.containers = [...goldenContainers];
  for (const name of ['room', 'other']) {
    await made.secrets().add({ name, content: Buffer.from(`passphrase of ${name}`).toString('base64') });
  }
  return made;
}

test('an image with open containers is not deployed or audited without a secret, nor with an unknown one', async (t) => {
  const made = await bench(t);
  for (const request of [made.request(), made.request({ audit: true })]) {
    const { hosts } = await made.sessions.planDeploy(request);
    assert.deepEqual(new Set(hosts.map(({ refused }) => refused?.code)), new Set(['LUKS_SECRET_MISSING']));
  }
  await assert.rejects(made.sessions.planDeploy(made.request({ luksSecrets: ['nobody'] })), isError('SECRET_UNKNOWN'));
  await made.sessions.planDeploy(made.request({ luksSecrets: ['room'] }));
  const capture = { host: 'pc-1', image: 'new', onDone: 'stay' as const, luksSecrets: ['nobody'] };
  await assert.rejects(made.sessions.startCapture(capture), isError('SECRET_UNKNOWN'));
});

test('a host is given the secrets that its running task names, and it is noted without their content', async (t) => {
  const made = await bench(t);
  const { sessionId } = await made.deploy({ hosts: ['pc-1'], luksSecrets: ['room'] });
  made.arrive('pc-1');
  const order = made.order('pc-1');
  assert.ok(order.kind === 'deploy');
  assert.deepEqual(order.luksSecrets, ['room']);
  const { taskData } = made.sessions;
  const [pc1, pc2] = ['pc-1', 'pc-2'].map((name) => made.hostId(name)) as [number, number];
  assert.equal((await taskData.readSecret(pc1, order.taskId, 'room')).toString(), 'passphrase of room');
  await assert.rejects(taskData.readSecret(pc1, order.taskId, 'other'), isError('DENIED'));
  await assert.rejects(taskData.readSecret(pc2, order.taskId, 'room'), isError('TASK_STALE'));
  await assert.rejects(made.secrets().remove('room'), isError('SECRET_IN_USE'));
  const events = JSON.stringify(made.events.list());
  assert.match(events, /pc-1 is given the secret room/);
  assert.doesNotMatch(events, /passphrase/);

  await made.sessions.cancel(sessionId);
  await assert.rejects(taskData.readSecret(pc1, order.taskId, 'room'), isError('TASK_STALE'));
  await made.secrets().remove('room');
});

test('without a word in the session each host is given what its group chooses, and what its group says later is another plan', async (t) => {
  const made = await bench(t);
  const groups = new Groups({ database: made.database, hosts: made.hosts, events: made.events });
  groups.create('lab');
  groups.addHosts('lab', ['pc-1']);
  const secrets = made.secrets();
  await secrets.setDefault('group', 'lab', ['other']);
  const half = await made.sessions.planDeploy(made.request());
  assert.deepEqual(
    half.hosts.map(({ host, luksSecrets, refused }) => [host, luksSecrets?.names, luksSecrets?.from, refused?.code]),
    [
      ['pc-1', ['other'], 'the group lab', undefined],
      ['pc-2', undefined, undefined, 'LUKS_SECRET_MISSING'],
    ],
  );
  await secrets.setDefault('image', 'win11', ['room']);
  const { planId } = await made.sessions.planDeploy(made.request());
  await secrets.setDefault('image', 'win11', ['other', 'room']);
  await assert.rejects(made.sessions.startDeploy(made.request({ planId })), isError('PLAN_CHANGED'));
  await made.deploy({ delta: 'never' });
  const given = ['pc-1', 'pc-2'].map((host) => {
    made.arrive(host);
    const order = made.order(host);
    return order.kind === 'deploy' ? order.luksSecrets : undefined;
  });
  assert.deepEqual(given, [['other'], ['other', 'room']]);
  await assert.rejects(secrets.remove('room'), isError('SECRET_IN_USE'));
  await secrets.setDefault('group', 'lab', null);
  const stale = made.order('pc-1');
  assert.ok(stale.kind === 'deploy');
  assert.deepEqual(stale.luksSecrets, ['other'], 'a session keeps what its plan said');
});
