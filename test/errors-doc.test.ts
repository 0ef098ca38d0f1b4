import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { renderErrorsDoc } from '#cli/errors-doc.ts';

test('docs/errors.md says what the error table says', async () => {
  const page = await readFile(new URL('../docs/errors.md', import.meta.url), 'utf8');
  assert.equal(page, renderErrorsDoc(), 'docs/errors.md is behind protocol/errors.ts: run bin/node cli/write-docs.ts');
});
