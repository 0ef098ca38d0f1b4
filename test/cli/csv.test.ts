import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderCsv } from '#cli/csv.ts';

test('cells are quoted when RFC 4180 says so, and only then', () => {
  const text = renderCsv(
    ['a', 'b'],
    [
      ['plain', 7],
      ['a "quoted", one', undefined],
      ['two\nlines', ''],
    ],
  );
  assert.equal(text, 'a,b\r\nplain,7\r\n"a ""quoted"", one",\r\n"two\nlines",\r\n');
});
