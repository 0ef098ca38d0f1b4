import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, errorTable, knownError } from '#protocol/errors.ts';

test('every table of errors is joined, and no code stands in two of them', async () => {
  const folder = join(import.meta.dirname, '../../protocol/errors');
  const files = readdirSync(folder).filter((name) => name.endsWith('-errors.ts'));
  const tables: object[] = (await Promise.all(files.map((name) => import(join(folder, name))))).flatMap(Object.values);
  assert.equal(tables.length, files.length);
  assert.deepEqual(tables.flatMap(Object.keys).sort(), Object.keys(errorTable).sort());
});

test('a value that a text needs and that was not given stays visible', () => {
  const code: ErrorCode = 'HOST_EXISTS';
  assert.equal(knownError(code).message, 'There is already a host {host}');
  assert.equal(knownError(code, { host: 'pc-1' }).next, 'Choose another name, or: fleetcast host rename pc-1 NEW');
});
