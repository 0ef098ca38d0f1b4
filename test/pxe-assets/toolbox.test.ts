import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toolbox } from '#pxe-assets/toolbox.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/agent-image.md'), 'utf8');

test('no program and no kernel module is listed twice', () => {
  for (const key of ['programs', 'modules'] as const) {
    const names = toolbox.flatMap((tool) => tool[key] ?? []);
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    );
  }
});

test('the page on the agent image names the first program of every tool', () => {
  const unnamed = toolbox.flatMap((tool) => (tool.programs ?? []).slice(0, 1)).filter((name) => !page.includes(name));
  assert.deepEqual(unnamed, []);
});
