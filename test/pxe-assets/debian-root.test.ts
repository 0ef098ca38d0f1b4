import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mirrorIn } from '#pxe-assets/debian-root.ts';

test('the mirror is found in either format of apt sources', () => {
  assert.equal(mirrorIn('deb http://mirror.example/debian bookworm main\n'), 'http://mirror.example/debian');
  assert.equal(mirrorIn('deb [signed-by=/k] https://m.example/debian/ trixie main'), 'https://m.example/debian/');
  assert.equal(
    mirrorIn('Types: deb\n# old http://no.example/debian\nURIs: http://yes.example/debian\nSuites: trixie\n'),
    'http://yes.example/debian',
  );
});

test('sources of other software are not taken for Debian', () => {
  assert.equal(mirrorIn('deb http://apt.example/node_20.x nodistro main'), undefined);
  assert.equal(mirrorIn('# deb http://mirror.example/debian bookworm main'), undefined);
});
