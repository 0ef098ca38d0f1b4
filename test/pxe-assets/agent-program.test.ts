import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AGENT_MAIN, toJavaScript, writeAgentProgram } from '#pxe-assets/agent-program.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

test('types go, names of files change their ending, lines keep their numbers', () => {
  const source = [
    "import type { A } from './a.ts';",
    "import { b } from '#protocol/b.ts';",
    "const w = new URL('./w.ts', import.meta.url);",
    "const text: string = 'see x.ts';",
  ].join('\n');
  const lines = toJavaScript(source).split('\n');
  assert.equal(lines[0]!.trim(), '');
  assert.equal(lines[1], "import { b } from '#protocol/b.js';");
  assert.equal(lines[2], "const w = new URL('./w.js', import.meta.url);");
  assert.equal(lines[3]!.replace(/\s+/g, ' '), "const text = 'see x.ts';");
});

test('the written agent starts by itself and says what it misses', async (t) => {
  const folder = tempFolder(t);
  await writeAgentProgram(folder);
  symlinkSync(join(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'));
  const { exitCode, stderr } = await run([process.execPath, join(folder, AGENT_MAIN)], { okCodes: [1, 2] });
  assert.equal(exitCode, 2);
  assert.match(stderr, /--server/);
});
