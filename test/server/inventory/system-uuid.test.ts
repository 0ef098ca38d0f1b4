import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameSystem, normalizeSystemUuid } from '#server/inventory/system-uuid.ts';

test('the same UUID in another case or byte order is the same machine', () => {
  const uuid = '00112233-4455-6677-8899-aabbccddeeff';
  assert.ok(isSameSystem(uuid, uuid.toUpperCase()));
  assert.ok(isSameSystem(uuid, '33221100-5544-7766-8899-aabbccddeeff'));
  assert.ok(!isSameSystem(uuid, '00112233-4455-6677-8899-aabbccddee00'));
});

test('a UUID that is not known says nothing', () => {
  assert.ok(isSameSystem(undefined, '00112233-4455-6677-8899-aabbccddeeff'));
  assert.ok(isSameSystem('00112233-4455-6677-8899-aabbccddeeff', ''));
});

test('fillers are no UUID', () => {
  assert.equal(normalizeSystemUuid('00000000-0000-0000-0000-000000000000'), undefined);
  assert.equal(normalizeSystemUuid('FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'), undefined);
  assert.equal(normalizeSystemUuid('To be filled by O.E.M.'), undefined);
});
