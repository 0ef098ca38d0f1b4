/** The pages name only commands that there are. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { makeCli } from '#cli/invocation.ts';
import { buildProgram } from '#cli/program.ts';
import { Terminal } from '#cli/terminal.ts';

const ROOT = join(import.meta.dirname, '..');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const program = buildProgram(makeCli(new Terminal(process, {})));
/** What stands for any command. */
const placeholder = /^(\$|…|\.\.\.|COMMAND$)/;
/** Programs of the system that the pages use. */
const foreign = ['cat', 'eval', 'ip'];

for (const page of globSync(['README.md', 'docs/**/*.md', 'bench/*.md'], { cwd: ROOT })) {
  test(`every command line of ${page} is one that there is`, () => {
    const lines = commandLines(readFileSync(join(ROOT, page), 'utf8'));
    assert.deepEqual(
      lines.map((line) => problemOf(line)).filter((problem) => problem !== undefined),
      [],
    );
  });
}

test('the command lines of the README and of the page of the lab are found', () => {
  for (const page of ['README.md', 'docs/lab.md']) {
    assert.ok(commandLines(readFileSync(join(ROOT, page), 'utf8')).length >= 4, page);
  }
});

test('a command that there is not is found', () => {
  assert.match(problemOf('npm run nothing')!, /no script/);
  assert.match(problemOf('bin/node lab/nothing.ts')!, /no file/);
  assert.match(problemOf('fleetcast host lsit')!, /no command/);
  assert.match(problemOf('fleetcast deploy x --grup room')!, /no option/);
});

/** The lines of `sh` blocks and the commands in running text. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) =>
    block!.replace(/\\\n/g, ' ').split('\n'),
  );
  const quoted = [...text.replace(/```.*?```/gs, '').matchAll(/`((?:npm|bin\/\S+|fleetcast) [^`]+)`/g)].map(
    ([, line]) => line!,
  );
  return [...blocks, ...quoted]
    .map((line) => line.replace(/(^|\s)#.*/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('fleetcast()'));
}

function problemOf(line: string): string | undefined {
  const inner = /^eval "\$\((.*)\)"$/.exec(line)?.[1];
  if (inner !== undefined) return problemOf(inner);
  const words = line.split(/\s+/);
  const start = words.findIndex((word) => ['npm', 'fleetcast', 'bin/fleetcast', 'bin/node'].includes(word));
  if (start === -1) return foreign.includes(words[0]!) ? undefined : `${line}: unknown program`;
  const [name, ...args] = words.slice(start) as [string, ...string[]];
  if (name === 'npm') return problemOfNpm(line, args);
  if (name === 'bin/node') return existsSync(join(ROOT, args[0]!)) ? undefined : `${line}: no file ${args[0]}`;
  return problemOfCli(line, args);
}

function problemOfNpm(line: string, [action, script]: string[]): string | undefined {
  const name = action === 'run' ? script! : action!;
  return name in scripts ? undefined : `${line}: no script ${name}`;
}

function problemOfCli(line: string, args: readonly string[]): string | undefined {
  let command: Command = program;
  for (const [i, word] of args.entries()) {
    if (word === 'help') return undefined;
    // `schedule add … -- deploy …`
    if (word === '--') return problemOfCli(line, args.slice(i + 1));
    if (word.startsWith('-')) {
      const isKnown = [command, program].some(({ options }) =>
        options.some(({ long, short }) => long === word || short === word),
      );
      if (!isKnown) return `${line}: no option ${word}`;
      continue;
    }
    if (command.commands.length === 0) continue; // an argument
    const next = command.commands.find((known) => known.name() === word || known.aliases().includes(word));
    if (placeholder.test(word)) return undefined;
    if (next === undefined) return `${line}: no command ${word}`;
    command = next ?? command;
  }
  return undefined;
}
