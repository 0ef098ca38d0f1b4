import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseAddress } from '#server/boot/dhcp/address.ts';
import {
  type LeaseClient,
  LeasePool,
  OFFER_MS,
  QUARANTINE_MS,
  type Reservations,
} from '#server/boot/dhcp/lease-pool.ts';
import { makeSubnet } from '#server/boot/dhcp/subnet.ts';
import { type Database, openDatabase } from '#server/db/database.ts';
import { KeptClock } from '#server/db/kept-clock.ts';
import { LeaseTable } from '#server/db/lease-table.ts';

const serverAddress = parseAddress('10.77.0.2');
const subnet = makeSubnet(serverAddress, parseAddress('255.255.255.0'), {
  first: parseAddress('10.77.0.1'),
  last: parseAddress('10.77.0.4'),
  leaseS: 100,
});

function makePool(o: { database?: Database; reservations?: Reservations } = {}) {
  const database = o.database ?? openDatabase(':memory:');
  const clock = { ms: 1_000_000, nowMs: () => clock.ms, steadyMs: () => clock.ms, sleep: async () => {} };
  const make = () =>
    new LeasePool({
      subnets: [subnet],
      serverAddresses: [serverAddress],
      table: new LeaseTable(database),
      clock,
      kept: new KeptClock(database, clock),
      ...(o.reservations ? { reservations: o.reservations } : {}),
    });
  return { pool: make(), clock, restart: make };
}

function client(name: string): LeaseClient {
  return { key: name, mac: name, hostName: name };
}

function offer(pool: LeasePool, name: string, wanted?: string): string | undefined {
  const address = pool.offerFor(client(name), subnet, wanted === undefined ? undefined : parseAddress(wanted));
  if (address !== undefined) pool.apply({ kind: 'offer', address }, client(name), subnet);
  return address === undefined ? undefined : formatAddress(address);
}

function bind(pool: LeasePool, name: string): string {
  const address = parseAddress(offer(pool, name)!);
  pool.apply({ kind: 'bind', address }, client(name), subnet);
  return formatAddress(address);
}

test('addresses are given in order, never the server’s own, until none is free', () => {
  const { pool } = makePool();
  assert.deepEqual(
    [bind(pool, 'a'), bind(pool, 'b'), bind(pool, 'c'), offer(pool, 'd')],
    ['10.77.0.1', '10.77.0.3', '10.77.0.4', undefined],
  );
});

test('a client that asks again gets its address again, even after it expired', () => {
  const { pool, clock } = makePool();
  bind(pool, 'a');
  assert.equal(bind(pool, 'b'), '10.77.0.3');
  clock.ms += 200_000;
  assert.equal(offer(pool, 'b'), '10.77.0.3');
});

test('an offer that is not taken is free again after its time', () => {
  const { pool, clock } = makePool();
  for (const name of ['a', 'b', 'c']) offer(pool, name);
  assert.equal(offer(pool, 'd'), undefined);
  clock.ms += OFFER_MS;
  assert.equal(offer(pool, 'd'), '10.77.0.1');
});

test('the address that has been free longest is used again first', () => {
  const { pool, clock } = makePool();
  for (const name of ['a', 'b', 'c']) {
    bind(pool, name);
    clock.ms += 1000;
  }
  bind(pool, 'a');
  clock.ms += 200_000;
  assert.equal(offer(pool, 'd'), '10.77.0.3');
});

test('a wish is granted when it is free', () => {
  const { pool } = makePool();
  assert.equal(offer(pool, 'a', '10.77.0.4'), '10.77.0.4');
  assert.equal(offer(pool, 'b', '10.77.0.4'), '10.77.0.1');
  assert.equal(offer(pool, 'c', '10.99.0.4'), '10.77.0.3');
});

test('leases survive a restart, offers do not', () => {
  const { pool, restart } = makePool();
  bind(pool, 'a');
  offer(pool, 'b');
  const again = restart();
  assert.deepEqual(
    again.list().map(({ address, mac, state, hostName }) => [address, mac, state, hostName]),
    [['10.77.0.1', 'a', 'bound', 'a']],
  );
  assert.equal(again.heldBy(client('a'), subnet), parseAddress('10.77.0.1'));
  assert.equal(offer(again, 'c'), '10.77.0.3');
});

test('a declined address is left alone for a while, and its client gets another', () => {
  const { pool, clock, restart } = makePool();
  bind(pool, 'a');
  pool.apply({ kind: 'decline', address: parseAddress('10.77.0.1') }, client('a'), subnet);
  assert.equal(bind(pool, 'a'), '10.77.0.3');
  const again = restart();
  assert.equal(again.canHave(client('b'), parseAddress('10.77.0.1'), subnet), false);
  clock.ms += QUARANTINE_MS;
  assert.equal(again.canHave(client('b'), parseAddress('10.77.0.1'), subnet), true);
});

test('a released address is free, and still the first that its client gets', () => {
  const { pool } = makePool();
  bind(pool, 'a');
  pool.apply({ kind: 'release', address: parseAddress('10.77.0.1') }, client('a'), subnet);
  assert.equal(pool.isOthers(client('b'), parseAddress('10.77.0.1')), false);
  assert.equal(offer(pool, 'b'), '10.77.0.3');
  assert.equal(offer(pool, 'a'), '10.77.0.1');
});

test('a reserved address is its machine’s alone, also outside the pool, and moves it from another one', () => {
  const kept = parseAddress('10.77.0.50');
  const inPool = parseAddress('10.77.0.1');
  const reservations: Reservations = {
    addressOf: (mac) => (mac === 'r' ? kept : mac === 'p' ? inPool : undefined),
    macOf: (address) => (address === kept ? 'r' : address === inPool ? 'p' : undefined),
  };
  const { pool } = makePool({ reservations });
  assert.equal(offer(pool, 'a', '10.77.0.1'), '10.77.0.3');
  assert.equal(offer(pool, 'r', '10.77.0.4'), '10.77.0.50');
  assert.equal(pool.canHave(client('r'), parseAddress('10.77.0.4'), subnet), false);
  assert.equal(pool.canHave(client('a'), kept, subnet), false);
});

test('an offer to a client that is bound does not shorten its lease', () => {
  const { pool } = makePool();
  bind(pool, 'a');
  offer(pool, 'a');
  assert.equal(pool.list()[0]!.state, 'bound');
});

test('an address stays with its client when the clock of the server is set, before and after a restart', () => {
  const database = openDatabase(':memory:');
  const time = { wallMs: 1_000_000, upMs: 50_000 };
  const clock = { nowMs: () => time.wallMs, steadyMs: () => time.upMs, sleep: async () => {} };
  const start = () =>
    new LeasePool({
      subnets: [subnet],
      serverAddresses: [serverAddress],
      table: new LeaseTable(database),
      clock,
      kept: new KeptClock(database, clock, { bootId: 'one', upMs: () => time.upMs }),
    });
  let pool = start();
  const held = bind(pool, 'a');
  const isHeld = () => pool.isOthers(client('b'), parseAddress(held));
  time.wallMs += 3_600_000;
  assert.ok(isHeld(), 'set forward');
  const [lease] = pool.list();
  assert.deepEqual([lease!.state, lease!.expiresMs! - time.wallMs], ['bound', 100_000]);
  pool = start();
  assert.ok(isHeld(), 'after a restart');
  time.wallMs -= 7_200_000;
  pool = start();
  assert.ok(isHeld(), 'set back while the daemon was away');
  time.upMs += 100_000;
  assert.ok(!isHeld(), 'its time is over');
});
