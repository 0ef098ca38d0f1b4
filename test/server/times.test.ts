import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { leaves } from '#server/config.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');

/** Rows of the table under "Times": its third and fifth column. */
const rows = [...page.matchAll(/^\| [^|]+ \| ([\d.]+) (s|times|%) \| [^|]+ \| `([^`]+)` \|$/gm)].map(
  ([, value, unit, source]) => ({ value: Number(value), unit: unit!, source: source! }),
);

/** The value of a constant, in the unit that its name ends with. */
function constantOf(path: string, name: string): number {
  const found = new RegExp(`const ${name} = ([\\d_]+);`).exec(readFileSync(join(ROOT, path), 'utf8'));
  assert.ok(found, `${path} has no constant ${name}`);
  return Number(found[1]!.replaceAll('_', '')) / (name.endsWith('_MS') ? 1000 : 1);
}

test('the table of times says what the code and the configuration say', () => {
  assert.ok(rows.length > 15, 'the table was not found');
  for (const { value, unit, source } of rows) {
    const leaf = leaves.find(({ key }) => key === source);
    if (leaf !== undefined) assert.deepEqual([value, unit], [leaf.schema.default, leaf.schema.unit], source);
    else if (source.includes('.ts '))
      assert.equal(value, constantOf(...(source.split(' ') as [string, string])), source);
    else assert.equal(source, 'setpriv --pdeathsig INT');
  }
});
