import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeProbeDatagram, readProbeDatagram } from '#protocol/probe.ts';
import { judgeHearing } from '#server/transfer/probe.ts';

const nonce = '0102030405060708';

test('a datagram of a probe tells its number, and one of another probe or of another program does not', () => {
  assert.equal(readProbeDatagram(makeProbeDatagram(nonce, 199), nonce), 199);
  assert.equal(readProbeDatagram(makeProbeDatagram(nonce, 199), '0102030405060709'), undefined);
  assert.equal(readProbeDatagram(Buffer.alloc(1472), nonce), undefined);
  assert.equal(readProbeDatagram(Buffer.from('FCPB'), nonce), undefined);
});

test('a host that hears nothing or loses much is told apart, in the words of whoever has to mend it', () => {
  assert.equal(judgeHearing(200, 200, 20), undefined);
  assert.equal(judgeHearing(160, 200, 20), undefined);
  assert.match(judgeHearing(159, 200, 20)!, /^loses 21 % of multicast/);
  assert.match(judgeHearing(0, 200, 20)!, /^hears no multicast.*querier/);
});
