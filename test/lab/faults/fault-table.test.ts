import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatTable, readRows, replaceTable, titlesIn } from './fault-table.ts';
import { type FaultId, type FaultRow, matrix, ROW_MARK } from './matrix.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/reliability.md'), 'utf8');
const ids = Object.keys(matrix) as FaultId[];
const rowOf = (fault: FaultId): FaultRow => ({ fault, together: [], noticedS: 1.25, cleanS: 4, ended: 'succeeded' });

test('every fault of the matrix has its row on the page, with its bound, and every row its fault', () => {
  assert.deepEqual(
    titlesIn(page),
    ids.map((id) => ({ title: matrix[id].title, boundS: matrix[id].boundS })),
  );
});

test('rows are found in the output of tests, and a table of them replaces the one of the page', () => {
  const output = ids.map((id) => `  ℹ ${ROW_MARK}${JSON.stringify(rowOf(id))}\n✔ a test`).join('\n');
  const again = replaceTable(page, formatTable(readRows(output)));
  assert.deepEqual(titlesIn(again), titlesIn(page));
  assert.match(again, /\| 1\.3 s \| 3 s \| 4\.0 s \| succeeded \|/);
});

test('a fault without a row is refused', () => {
  assert.throws(() => formatTable(ids.slice(1).map(rowOf)), /0 rows for receiver-killed/);
});
