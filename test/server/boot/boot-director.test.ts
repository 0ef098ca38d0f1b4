import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BootHost, makeBootDirector } from '#server/boot/boot-director.ts';

const approved: BootHost = { hostId: 1, name: 'pc-01', approval: 'approved', isRegistered: true };

function ask(host: BootHost | undefined, isCalled: boolean) {
  const issued: number[] = [];
  const director = makeBootDirector('http://10.77.0.1:8470', {
    hostOf: () => host,
    isCalled: () => isCalled,
    issueToken: ({ hostId }) => {
      issued.push(hostId);
      return 'T';
    },
  });
  return { target: director.next({ mac: '52:54:00:77:00:01' }), issued };
}

test('an approved host that is called boots the agent with a token', () => {
  const { target, issued } = ask(approved, true);
  assert.deepEqual(target, { target: 'agent', server: 'http://10.77.0.1:8470', bootToken: 'T' });
  assert.deepEqual(issued, [1]);
});

test('an approved host whose disks are unknown boots the agent once, to register them', () => {
  assert.equal(ask({ ...approved, isRegistered: false }, false).target.target, 'agent');
  assert.equal(ask({ ...approved, isRegistered: false, approval: 'pending' }, false).target.target, 'local');
});

test('every other machine boots its local disk and gets no token', () => {
  const pending: BootHost = { ...approved, approval: 'pending' };
  for (const [host, isCalled, reason] of [
    [approved, false, 'pc-01 has nothing to do'],
    [pending, false, 'pc-01 waits for approval: fleetcast host approve pc-01'],
    [pending, true, 'pc-01 waits for approval: fleetcast host approve pc-01'],
    [undefined, false, 'this machine is unknown, and too many unknown ones wait for approval'],
  ] as const) {
    const { target, issued } = ask(host, isCalled);
    assert.deepEqual(target, { target: 'local', reason });
    assert.deepEqual(issued, []);
  }
});
