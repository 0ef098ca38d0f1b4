import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fate, fateOf } from '#lab/leftovers.ts';

const cases: [string, Parameters<typeof fateOf>[0], Fate][] = [
  ['a lab whose program runs is in use', { isOwned: true, isKept: false, hasNetwork: true }, 'in-use'],
  ['a kept lab is in use until its program has ended', { isOwned: true, isKept: true, hasNetwork: true }, 'in-use'],
  ['a lab that was kept stays', { isOwned: false, isKept: true, hasNetwork: true }, 'kept'],
  ['a lab of a killed program is a leftover', { isOwned: false, isKept: false, hasNetwork: true }, 'leftover'],
  [
    'a kept lab from before a restart of the machine is one',
    { isOwned: false, isKept: true, hasNetwork: false },
    'leftover',
  ],
];
for (const [title, lab, fate] of cases) test(title, () => assert.equal(fateOf(lab), fate));
