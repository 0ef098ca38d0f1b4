import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseDelta, type DeltaFacts, type DeltaHost, isRehashWorth } from '#server/sessions/delta-choice.ts';
import { speedOf } from '#server/sessions/disk-speed.ts';

const ssd = speedOf({ transport: 'sata', rotational: false }, undefined);
const hdd = speedOf({ transport: 'sata', rotational: true }, undefined);
const gigabit = 117.5e6;

function host(name: string, knownShare: number, speed = ssd): DeltaHost {
  const known = knownShare > 0 ? 'its disk has had win11@3 since session 12' : 'nothing is known of its disk';
  return { host: name, knownShare, known, speed };
}

/** 40 GB used, 13 GB on the wire. */
function facts(hosts: readonly DeltaHost[], more: Partial<DeltaFacts> = {}): DeltaFacts {
  return {
    ...{ policy: 'auto', mode: 'multicast', verify: 'full', plainBytes: 40e9, storedBytes: 13e9 },
    ...{ wireBytesPerSecond: gigabit, hosts },
    ...more,
  };
}

const hashes = (of: DeltaFacts) => chooseDelta(of).hosts.map(({ hash }) => hash);

test('hosts whose disks are known to hold the image hash them, and both estimates are told', () => {
  const choice = chooseDelta(facts([host('pc-1', 0.95), host('pc-2', 0.95)]));
  const [one] = choice.hosts;
  assert.deepEqual(hashes(facts([host('pc-1', 0.95), host('pc-2', 0.95)])), [true, true]);
  assert.equal(one!.hashSeconds, 100);
  assert.ok(Math.abs(one!.moveShare - 0.05) < 1e-9);
  assert.ok(one!.deltaSeconds < one!.fullSeconds / 2);
  assert.match(one!.because, /^its disk has had win11@3 since session 12; an SSD is taken to read 400 MB\/s$/);
  assert.ok(choice.chosenSeconds < choice.fullSeconds);
});

test('of a disk of which nothing is known nothing is hashed', () => {
  const [only] = chooseDelta(facts([host('pc-1', 0)])).hosts;
  assert.equal(only!.hash, false);
  assert.equal(only!.because, 'nothing is known of its disk');
  assert.ok(only!.deltaSeconds > only!.fullSeconds);
});

test('when one host lacks everything nobody hashes: the whole image is cast anyway', () => {
  const of = facts([host('pc-1', 0.95), host('pc-2', 0.95), host('pc-3', 0)]);
  assert.deepEqual(hashes(of), [false, false, false]);
  assert.equal(chooseDelta(of).hosts[0]!.because, 'the whole image is cast to pc-3 anyway');
});

test('without a cast each host saves its own bytes, so that a host that lacks everything spoils nothing', () => {
  const of = facts([host('pc-1', 0.95), host('pc-2', 0.95), host('pc-3', 0)], { mode: 'unicast' });
  assert.deepEqual(hashes(of), [true, true, false]);
});

test('a disk whose writing would hold the cast up hashes even when others take everything', () => {
  const slow = { readBytesPerSecond: 400e6, writeBytesPerSecond: 40e6, because: 'measured' };
  assert.deepEqual(hashes(facts([host('pc-1', 0.95, slow), host('pc-2', 0)])), [true, false]);
});

test('a hard disk that is not read back is quicker written than hashed on a fast wire', () => {
  const wire = { wireBytesPerSecond: 1e9, verify: 'none' as const };
  const quickWriter = { ...hdd, writeBytesPerSecond: 400e6 };
  assert.deepEqual(hashes(facts([host('pc-1', 0.95, quickWriter)], wire)), [false]);
  assert.match(
    chooseDelta(facts([host('pc-1', 0.95, quickWriter)], wire)).hosts[0]!.because,
    /takes longer than it saves/,
  );
  assert.deepEqual(hashes(facts([host('pc-1', 0.95, ssd)])), [true]);
});

test('the admin has the last word', () => {
  assert.deepEqual(hashes(facts([host('pc-1', 0), host('pc-2', 0.9)], { policy: 'always' })), [true, true]);
  assert.deepEqual(hashes(facts([host('pc-1', 0), host('pc-2', 0.9)], { policy: 'never' })), [false, false]);
});

test('what is chosen by itself is never slower than a full cast, and more knowledge never makes it slower', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(share, { minLength: 1, maxLength: 20 }), share, (shares, more) => {
      const seconds = (of: number[]) => chooseDelta(facts(of.map((one, i) => host(`pc-${i}`, one)))).chosenSeconds;
      const { chosenSeconds, fullSeconds } = chooseDelta(facts(shares.map((one, i) => host(`pc-${i}`, one))));
      assert.ok(chosenSeconds <= fullSeconds);
      assert.ok(seconds(shares.map((one) => Math.max(one, more))) <= seconds(shares) + 1e-9);
    }),
  );
});

const again = { policy: 'auto', verify: 'full', plainBytes: 40e9, storedBytes: 13e9, speed: ssd } as const;

test('a host that comes back in mid-session hashes when enough was laid on its disk', () => {
  const wireBytesPerSecond = gigabit;
  // Everything takes 133 s of moving and 100 s of reading back, hashing 100 s: it pays from 43 % on.
  assert.equal(isRehashWorth({ ...again, wireBytesPerSecond, haveShare: 0.42 }), false);
  assert.equal(isRehashWorth({ ...again, wireBytesPerSecond, haveShare: 0.44 }), true);
  assert.equal(isRehashWorth({ ...again, wireBytesPerSecond, haveShare: 0 }), false);
  assert.equal(isRehashWorth({ ...again, wireBytesPerSecond, haveShare: 0, policy: 'always' }), true);
  assert.equal(isRehashWorth({ ...again, wireBytesPerSecond, haveShare: 1, policy: 'never' }), false);
});
