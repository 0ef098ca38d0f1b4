import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOOT_TOKEN_MS, makeInventory, SAMPLE_UUID } from '../inventory-fixture.ts';

const machine = { mac: '52:54:00:77:00:01', systemUuid: SAMPLE_UUID };

function withHost() {
  const inventory = makeInventory();
  const host = inventory.hosts.add({ name: 'pc-01', macs: [machine.mac] });
  return { ...inventory, hostId: host.hostId };
}

test('a boot token is good for one hello and gives an agent token', () => {
  const { tokens, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  assert.match(bootToken, /^[\w-]{43}$/);
  const spent = tokens.spendBoot(bootToken, machine);
  assert.equal(spent.hostId, hostId);
  assert.equal(tokens.hostOfAgent(spent.agentToken), hostId);
});

test('the second use of a boot token is refused and noted', () => {
  const { tokens, events, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  const { agentToken } = tokens.spendBoot(bootToken, machine);
  assert.throws(() => tokens.spendBoot(bootToken, machine), {
    code: 'TOKEN_REFUSED',
    message: 'The token is not valid: it has been used already',
  });
  const event = events.list().at(-1)!;
  assert.deepEqual([event.action, event.hostId, event.host], ['token-reused', hostId, 'pc-01']);
  assert.equal(tokens.hostOfAgent(agentToken), hostId);
});

test('a boot token is refused when it is late, unknown, or shown by another machine', () => {
  const { tokens, time, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  assert.throws(() => tokens.spendBoot('nonsense', machine), /it is unknown/);
  assert.throws(() => tokens.spendBoot(bootToken, { ...machine, mac: '52:54:00:77:00:02' }), /another machine \(MAC\)/);
  const otherUuid = { ...machine, systemUuid: '664d0d3c-1f3a-4f6e-9a63-2b1c0d4e5f60' };
  assert.throws(() => tokens.spendBoot(bootToken, otherUuid), /another machine \(system UUID\)/);
  time.ms += BOOT_TOKEN_MS;
  assert.throws(() => tokens.spendBoot(bootToken, machine), /it has expired/);
});

test('a refused try does not spend the token', () => {
  const { tokens, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  assert.throws(() => tokens.spendBoot(bootToken, { ...machine, mac: '52:54:00:77:00:02' }));
  assert.equal(tokens.spendBoot(bootToken, machine).hostId, hostId);
});

test('a new hello ends the agent token before it', () => {
  const { tokens, hostId } = withHost();
  const first = tokens.spendBoot(tokens.issueBoot(hostId, machine), machine).agentToken;
  const second = tokens.spendBoot(tokens.issueBoot(hostId, machine), machine).agentToken;
  assert.equal(tokens.hostOfAgent(first), undefined);
  assert.equal(tokens.hostOfAgent(second), hostId);
});

test('no token stands in the database', () => {
  const { tokens, database, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  const { agentToken } = tokens.spendBoot(bootToken, machine);
  const dump = JSON.stringify([
    database.prepare('SELECT hex(token_hash) FROM boot_token').all(),
    database.prepare('SELECT * FROM event').all(),
    database.prepare('SELECT hex(token_hash) FROM agent_token').all(),
  ]);
  assert.ok(!dump.includes(bootToken) && !dump.includes(agentToken));
});

test('tokens go with their host', () => {
  const { tokens, hosts, hostId } = withHost();
  const bootToken = tokens.issueBoot(hostId, machine);
  const { agentToken } = tokens.spendBoot(tokens.issueBoot(hostId, machine), machine);
  hosts.remove('pc-01');
  assert.equal(tokens.hostOfAgent(agentToken), undefined);
  assert.throws(() => tokens.spendBoot(bootToken, machine), /it is unknown/);
});

test('tokens that ended long ago are forgotten', () => {
  const { tokens, database, time, hostId } = withHost();
  tokens.issueBoot(hostId, machine);
  time.ms += BOOT_TOKEN_MS + 25 * 3600 * 1000;
  tokens.issueBoot(hostId, machine);
  assert.equal(database.prepare('SELECT count(*) FROM boot_token').pluck().get(), 1);
});

test('setting the clock of the server neither ends a boot token nor keeps it alive', () => {
  const { tokens, time, hostId } = withHost();
  const [first, second] = [tokens.issueBoot(hostId, machine), tokens.issueBoot(hostId, machine)];
  time.setMs = 3_600_000;
  assert.equal(tokens.spendBoot(first, machine).hostId, hostId);
  time.setMs = -3_600_000;
  time.ms += BOOT_TOKEN_MS;
  assert.throws(() => tokens.spendBoot(second, machine), /it has expired/);
});
