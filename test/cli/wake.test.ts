import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUp } from '#cli/wake.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { host, T0 } from './sample-views.ts';

const pc = (n: number, more = {}) => host(`pc-0${n}`, { hostId: n, ...more });

test('a host is up when its agent spoke or its firmware asked what to boot since it was woken', () => {
  assert.equal(isUp({}, T0), false);
  assert.equal(isUp({ lastSeenMs: T0 - 1, lastBootMs: T0 - 1 }, T0), false);
  assert.equal(isUp({ lastSeenMs: T0 }, T0), true);
  assert.equal(isUp({ lastBootMs: T0 }, T0), true);
});

test('wake waits for every host of a group and names those that stay away, with exit code 3', async (t) => {
  const daemon = await FakeDaemon.start(t);
  let looks = 0;
  daemon
    .on('GET /groups', 'groups', () => [{ name: 'room', hosts: ['pc-01', 'pc-02'] }])
    .on('GET /hosts', 'hosts', () => [pc(1, looks++ > 0 ? { lastBootMs: T0 } : {}), pc(2, { lastSeenMs: T0 - 1 })]);
  for (const n of [1, 2]) daemon.on(`POST /hosts/pc-0${n}/wake`, 'wake', () => ({ host: pc(n), wokenAtMs: T0 }));
  const args = ['wake', '-g', 'room', 'pc-01', '--wait', '1s', '--socket', daemon.socket];
  const result = await runCli(args);
  assert.deepEqual([result.code, result.out], [3, 'pc-01 is up.\n']);
  assert.match(result.err, /^fleetcast: Not up 1 s after they were woken: pc-02\n {2}Next: Check power/);
  assert.equal(daemon.calls.filter((call) => call.path === '/hosts/pc-01/wake').length, 1);
  const json = await runCli([...args, '--json']);
  assert.deepEqual(JSON.parse(json.out).length, 1);
  assert.equal(JSON.parse(json.err).error.code, 'HOSTS_NOT_AWAKE');
});

test('wake --no-wait returns when the packets are sent', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('POST /hosts/pc-01/wake', 'wake', () => ({ host: pc(1), wokenAtMs: T0 }));
  const result = await runCli(['wake', 'pc-01', '--no-wait', '--socket', daemon.socket]);
  assert.deepEqual(result, { code: 0, out: 'pc-01 was sent magic packets.\n', err: '' });
  assert.equal((await runCli(['wake', '--socket', daemon.socket])).code, 2);
  assert.match((await runCli(['wake', 'pc-01', '--wait', '90'])).err, /--wait 90 is not a time like 1m30s/);
});

test('power tells every host that can be told and says which could not', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('POST /hosts/pc-01/power', 'host', () => pc(1));
  for (const n of [2, 3]) {
    daemon.onRaw(`POST /hosts/pc-0${n}/power`, () => {
      throw knownError('HOST_AWAY', { host: `pc-0${n}` });
    });
  }
  const at = ['--socket', daemon.socket];
  const one = await runCli(['power', 'off', 'pc-02', 'pc-01', ...at]);
  assert.deepEqual([one.code, one.out], [11, 'pc-01 switches off.\n']);
  assert.match(one.err, /^fleetcast: pc-02 is not in the agent\n/);
  const both = await runCli(['power', 'reboot', 'pc-02', 'pc-03', 'pc-01', ...at]);
  assert.equal(both.out, 'pc-01 reboots.\n');
  assert.match(both.err, /2 hosts were not told: pc-02 is not in the agent; pc-03 is not in the agent/);
  assert.deepEqual(daemon.calls.at(-1)?.body, { action: 'reboot' });
});

test('host set sends what is given, and none removes it', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('POST /hosts/pc-01/set', 'host', () => pc(1, { address: '10.0.0.7', hasSecureOn: true }));
  const set = (...args: string[]) => runCli(['host', 'set', 'pc-01', ...args, '--socket', daemon.socket]);
  const result = await set('--secure-on', '00:11:22:33:44:55', '--address', '10.0.0.7');
  assert.equal(result.out, 'Host pc-01: DHCP keeps 10.0.0.7 for it; its magic packets carry its SecureOn password.\n');
  await set('--address', 'none');
  assert.equal((await set()).code, 2);
  assert.deepEqual(
    daemon.calls.map((call) => call.body),
    [{ secureOn: '00:11:22:33:44:55', address: '10.0.0.7' }, { address: null }],
  );
});

test('leases say for whom an address is kept', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('GET /dhcp/leases', 'leases', () => [
    { address: '10.0.0.7', mac: '52:54:00:00:00:01', state: 'reserved', reservedFor: 'pc-01' },
  ]);
  const { out } = await runCli(['dhcp', 'leases', '--socket', daemon.socket]);
  assert.match(out, /^10\.0\.0\.7 +52:54:00:00:00:01 +- +reserved +- +pc-01$/m);
});
