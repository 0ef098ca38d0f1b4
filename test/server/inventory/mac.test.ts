import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizeMac, readMac } from '#server/inventory/mac.ts';

test('every usual way of writing a MAC becomes one form', () => {
  for (const text of [
    '52:54:00:AB:cd:01',
    '52-54-00-ab-CD-01',
    '5254.00ab.cd01',
    '525400abcd01',
    ' 52:54:00:ab:cd:01 ',
  ]) {
    assert.equal(normalizeMac(text), '52:54:00:ab:cd:01');
  }
});

test('what names no network card is refused', () => {
  for (const text of [
    '',
    '52:54:00:ab:cd',
    '52:54:00:ab:cd:0g',
    '52:54-00:ab:cd:01',
    'ff:ff:ff:ff:ff:ff',
    '01:00:5e:00:00:01',
    '00:00:00:00:00:00',
  ]) {
    assert.equal(readMac(text), undefined, text);
    assert.throws(() => normalizeMac(text), { code: 'MAC_INVALID' });
  }
});
