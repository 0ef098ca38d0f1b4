import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownError } from '#protocol/errors.ts';
import { checkTemplate, escapeXml, fillTemplate } from '#protocol/template.ts';

const values = { hostname: 'pc-07', serial: 'S<1>', mac: '52:54:00:77:00:07', n: 7 };

test('every placeholder is filled in, numbers with as many digits as asked for', () => {
  const text = '{{hostname}} {{ serial }} {{mac}} {{n}} {{n:3}}';
  assert.equal(fillTemplate(text, values), 'pc-07 S<1> 52:54:00:77:00:07 7 007');
  assert.equal(fillTemplate('<a>{{serial}}</a>', values, escapeXml), '<a>S&lt;1&gt;</a>');
});

test('other braces stay, and an unknown placeholder is refused by its name', () => {
  assert.equal(fillTemplate('{{other}} {n} $x', values), '{{other}} {n} $x');
  checkTemplate('lab-{{n:2}}', '--hostname');
  assert.throws(
    () => checkTemplate('{{name}}', '--hostname'),
    (error) => error instanceof KnownError && error.code === 'TEMPLATE_INVALID' && /\{\{name\}\}/.test(error.message),
  );
});
