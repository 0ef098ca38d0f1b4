import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDemoOptions } from '#lab/demo-options.ts';
import { LabUsageError } from '#lab/lab-program.ts';
import { readPlayOptions } from '#lab/play-options.ts';

test('the demo has virtual machines only when they are asked for, a BIOS and a UEFI one among its hosts', () => {
  assert.deepEqual(readDemoOptions([]).vms, []);
  const { hosts, vms, linkMbit } = readDemoOptions(['--vm']);
  assert.deepEqual([hosts, vms, linkMbit], [8, ['bios', 'uefi'], 25]);
  assert.throws(() => readDemoOptions(['--vm', '--hosts', '2']), /--hosts takes a whole number from 3/);
});

test('a lab to play with gives its virtual machines the firmwares in turn, and one of each of a list', () => {
  assert.deepEqual(readPlayOptions([]).vms, ['bios', 'uefi']);
  assert.deepEqual(readPlayOptions(['--vms', '3']).vms, ['bios', 'uefi', 'bios']);
  assert.deepEqual(readPlayOptions(['--firmware', 'http,secure-boot']).vms, ['uefi-http', 'secure-boot']);
  assert.deepEqual(readPlayOptions(['--vms', '0']).vms, []);
});

test('what cannot be meant is refused by name', () => {
  assert.throws(() => readPlayOptions(['--firmware', 'efi']), { message: /no firmware efi; there are bios, uefi/ });
  for (const value of ['6', '1.5', '-1', '', '1e0']) {
    assert.throws(() => readPlayOptions([`--vms=${value}`]), LabUsageError, value);
  }
});
