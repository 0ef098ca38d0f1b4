/** docs/cli.md from the tree of commands. Write it again: bin/node cli/write-docs.ts */
import type { Command } from 'commander';
import { exampleOf, pathOf } from './invocation.ts';
import { everyCommand } from './program.ts';

export function renderCliDoc(program: Command): string {
  const leaves = everyCommand(program).filter(
    (command) => command.commands.length === 0 && !command.name().startsWith('__'),
  );
  return `${head}\n${leaves.map(sectionOf).join('\n')}`;
}

const head = `# The command line

\`fleetcast COMMAND …\` talks to the daemon on this machine over its unix socket. This page is made from the commands
themselves: \`bin/node cli/write-docs.ts\`.

## Everywhere

| option | what |
|---|---|
| \`--socket PATH\` | unix socket of the daemon, default \`/run/fleetcast/admin.sock\`; before or after the command |
| \`--json\` | output for programs, before or after the command |
| \`--help\` | what a command takes |

**With \`--json\`** stdout carries nothing but the objects of the admin API (\`protocol/admin/\`, \`fleetcast openapi\`), one line
of JSON each. What goes on for a while (\`--watch\`, \`session watch\`, \`events --follow\`) prints one line a change; a watch's last line is the
ended session. An error is one line on stderr: \`{"error": {"code", "message", "next"}}\` ([errors.md](errors.md)). Nobody is asked:
what would ask needs \`--yes\`.

**Without it** results go to stdout, questions, errors and notices to stderr. Colour and redrawing only on a terminal; \`NO_COLOR\` and
\`TERM=dumb\` are obeyed. Sizes are in powers of ten (1 GB = 1,000,000,000 bytes).

| exit code | meaning |
|--:|---|
| 0 | done; for a watched session: every host succeeded |
| 1 | a bug in fleetcast |
| 2 | the command line, a name or a value is wrong |
| 3 | the session ended, and not every host succeeded |
| 10 | no daemon answers |
| 11 | conflict: refused hosts, a busy host, a name or port that is taken, a full or damaged store |
| 12 | not allowed |
| 130 | you broke off (Ctrl-C, or an answer other than yes): nothing was started, or what runs goes on without you |
| 141 | the reader of our output went away |

Leaving a watch never stops its session; \`fleetcast session cancel\` does.

## Shell completion

| shell | line for its start file |
|---|---|
| bash | \`source <(fleetcast completion bash)\` |
| zsh | \`source <(fleetcast completion zsh)\` after \`compinit\` |
| fish | \`fleetcast completion fish \\| source\` |

It knows commands, options and values, and asks the daemon for the names of hosts, groups, images and sessions.

## Commands
`;

function sectionOf(command: Command): string {
  const usage = [
    `fleetcast ${pathOf(command)}`,
    command.options.length > 0 ? '[options]' : '',
    ...command.registeredArguments.map((argument) => {
      const name = `${argument.name().toUpperCase()}${argument.variadic ? '…' : ''}`;
      return argument.required ? name : `[${name}]`;
    }),
  ].filter((word) => word !== '');
  const rows = [
    ...command.registeredArguments
      .filter((argument) => argument.description !== '')
      .map((argument) => `| \`${argument.name().toUpperCase()}\` | ${cell(argument.description)} |`),
    ...command.options.map((option) => `| \`${cell(option.flags)}\` | ${cell(option.description)}${extra(option)} |`),
  ];
  const table = rows.length === 0 ? '' : `\n| | |\n|---|---|\n${rows.join('\n')}\n`;
  return `### ${pathOf(command)}

\`${usage.join(' ')}\`

${command.description()}.
${table}
\`\`\`
${exampleOf(command) ?? ''}
\`\`\`
`;
}

function extra(option: Command['options'][number]): string {
  const choices = option.argChoices ? `: ${option.argChoices.join(', ')}` : '';
  const value = option.defaultValueDescription ?? option.defaultValue;
  const normal = value === undefined || typeof value === 'boolean' ? '' : ` (default ${String(value)})`;
  return `${choices}${normal}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
