import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { renderCliDoc } from '#cli/cli-doc.ts';
import { exampleOf, makeCli, pathOf } from '#cli/invocation.ts';
import { buildProgram, everyCommand } from '#cli/program.ts';
import { Terminal } from '#cli/terminal.ts';

const program = buildProgram(makeCli(new Terminal(process, {})));

test('docs/cli.md says what the commands say', async () => {
  const page = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  assert.equal(page, renderCliDoc(program), 'docs/cli.md is behind cli/: run bin/node cli/write-docs.ts');
});

test('every command has an example, and the example is a line for that command', () => {
  for (const command of everyCommand(program)) {
    if (command.commands.length > 0 || command.name().startsWith('__')) continue;
    assert.ok(exampleOf(command)?.includes(`fleetcast ${pathOf(command)}`), pathOf(command));
  }
});
