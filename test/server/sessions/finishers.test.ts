import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { letRun } from './held-clock.ts';
import { SessionBench } from './session-bench.ts';

const isError = (code: string) => (error: unknown) => error instanceof KnownError && error.code === code;
const SCRIPT = '#!/bin/sh\n';

async function bench(...args: ConstructorParameters<typeof SessionBench>) {
  const made = new SessionBench(...args);
  made.addHosts('pc-1', 'pc-2');
  const content = Buffer.from(SCRIPT).toString('base64');
  const own = await made.finishers().add({ name: 'own', content, onError: 'warn', limitS: 5 });
  return { made, digest: own.digest! };
}

test('the order to finish lists the finishers with their digests, and each host has its number', async (t) => {
  const { made, digest } = await bench(t);
  made.finishers().setDefault('image', 'win11', ['machine-id']);
  const { sessionId } = await made.deploy({ finishers: ['own', 'hostname'], hostname: 'lab-{{n}}' });
  for (const name of ['pc-1', 'pc-2']) {
    await made.done(name, []);
    await letRun();
  }
  await made.restart();
  for (const name of ['pc-1', 'pc-2']) if (made.told(name) === 'verify') await made.done(name, []);
  const orders = ['pc-1', 'pc-2'].map((name) => made.order(name));
  assert.deepEqual(
    orders.map((order) => order.kind === 'deploy' && [order.step, order.finishing?.n]),
    [
      ['finish', 1],
      ['finish', 2],
    ],
  );
  const [first] = orders;
  assert.ok(first?.kind === 'deploy');
  assert.equal(first.finishing?.hostname, 'lab-{{n}}');
  assert.deepEqual(first.finishing?.steps, [
    { name: 'own', onError: 'warn', limitS: 5, digest },
    { name: 'hostname', onError: 'fail', limitS: 60 },
  ]);
  const { taskData } = made.sessions;
  assert.equal((await taskData.readFinisher(made.hostId('pc-1'), digest)).toString(), SCRIPT);
  await assert.rejects(taskData.readFinisher(made.hostId('pc-1'), 'b'.repeat(64)), isError('DENIED'));
  await assert.rejects(made.finishers().remove('own'), /in use by session 1/);
  assert.equal(made.sessions.view(sessionId).sessionId, sessionId);
});

test('a plan says what will run, and is another one when that changes', async (t) => {
  const { made } = await bench(t);
  const plan = await made.sessions.planDeploy(made.request({ planId: '' }));
  assert.equal(plan.hosts[0]!.finishers, undefined);
  made.finishers().setDefault('image', 'win11', ['machine-id']);
  await assert.rejects(made.sessions.startDeploy(made.request({ planId: plan.planId })), isError('PLAN_CHANGED'));
  const audit = await made.sessions.planDeploy(made.request({ audit: true }));
  assert.equal(audit.hosts[0]!.finishers, undefined, 'an audit changes nothing');
  await assert.rejects(made.sessions.planDeploy(made.request({ hostname: '{{x}}' })), isError('TEMPLATE_INVALID'));
});
