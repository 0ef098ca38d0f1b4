import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ConfigSection, formatConfig, parseConfig } from '#agent/disk/lvm-text.ts';

test("LVM's text is written as it was read", () => {
  const text = 'vg {\nid = "a\\"#b\\\\"\nsize = 8192\nlist = ["x", 3]\nempty = []\nin {\n\n}\n}\nversion = 1';
  assert.equal(formatConfig(parseConfig(text)!), text);
});

test('whatever a group holds is read again as it was written', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,20}$/).filter((one) => one !== '__proto__');
  const scalar = fc.oneof(
    fc.maxSafeInteger(),
    fc.string({ unit: 'grapheme' }).filter((one) => !one.includes('\n')),
  );
  const { section } = fc.letrec<{ section: ConfigSection }>((tie) => ({
    section: fc.dictionary(name, fc.oneof({ maxDepth: 3 }, scalar, fc.array(scalar), tie('section'))),
  }));
  fc.assert(
    fc.property(section, (config) => {
      assert.deepEqual(structuredClone(parseConfig(formatConfig({ vg: config })!)), { vg: structuredClone(config) });
    }),
    { numRuns: 500 },
  );
});

test('what could not be read again is not written', () => {
  assert.equal(formatConfig({ size: 1.5 }), undefined);
  assert.equal(formatConfig({ size: Number.NaN }), undefined);
  assert.equal(formatConfig({ in: { description: 'two\nlines' } }), undefined);
});
