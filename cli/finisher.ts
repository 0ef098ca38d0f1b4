/** `fleetcast finisher …`: what makes a deployed disk a machine of its own. */
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import type { FinisherView } from '#protocol/admin/finisher-api.ts';
import { knownError } from '#protocol/errors.ts';
import { DEFAULT_LIMIT_S, MAX_LIMIT_S, type OnError } from '#protocol/finisher.ts';
import { apiPath } from './daemon-link.ts';
import { formatTime, parseDuration } from './duration.ts';
import { type Cli, invocationOf, listing, pathOf, show, withExample } from './invocation.ts';
import { formatBytes } from './size.ts';
import { renderFacts } from './table.ts';
import { usageError } from './usage-error.ts';

export function finisherCommand(cli: Cli): Command {
  return new Command('finisher')
    .description('Finishers: programs that make a deployed disk a machine of its own, in the agent, when all is laid')
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(removeCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list')
    .description('List the built-in finishers and the own ones')
    .action(async (_options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const finishers = await invocation.link.get('finishers', apiPath`/finishers`);
      const rows = finishers.map(({ name, isBuiltIn, onError, limitS, chosenBy, scope }) => [
        ...[name, isBuiltIn ? 'built in' : 'own', onError, `${limitS} s`, chosenBy.join(', '), scope],
      ]);
      const head = ['FINISHER', 'KIND', 'ON ERROR', 'LIMIT', 'CHOSEN BY', 'SCOPE'];
      show(invocation, finishers, () => listing(invocation, head, rows, 'There is no finisher.', [3]));
    });
  return withExample(command, 'fleetcast finisher list');
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('Show a finisher')
    .argument('<finisher>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const finishers = await invocation.link.get('finishers', apiPath`/finishers`);
      const finisher = finishers.find((one) => one.name === name);
      if (finisher === undefined) throw knownError('FINISHER_UNKNOWN', { finisher: name });
      show(invocation, finisher, describe);
    });
  return withExample(command, 'fleetcast finisher show hostname');
}

function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('Add a finisher of your own: a program that runs in the agent, or (--to) a file for the target')
    .argument('<name>', 'its name')
    .argument('<file>', 'a script that begins with #!/bin/sh, a program, or the file to lay')
    .option('--to <path>', 'lay the file at this path of the target, {{placeholders}} filled in, instead of running it')
    .addOption(
      new Option('--on-error <what>', 'fail: the task fails, and the disk does not boot; warn: it is told')
        .choices(['fail', 'warn'])
        .default('fail'),
    )
    .addOption(
      new Option('--time-limit <time>', 'after which it is ended and has failed: 60s, 5m')
        .argParser(parseLimit)
        .default(DEFAULT_LIMIT_S, '60s'),
    )
    .action(
      async (
        name: string,
        file: string,
        options: { to?: string; onError: OnError; timeLimit: number },
        self: Command,
      ) => {
        const invocation = invocationOf(cli, self);
        const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
          throw usageError(`${file} cannot be read (${error.code ?? error.message})`, pathOf(self));
        });
        const { to, onError, timeLimit } = options;
        const body = { name, content: bytes.toString('base64'), onError, limitS: timeLimit };
        const finisher = await invocation.link.post(
          'finisher',
          apiPath`/finishers`,
          to === undefined ? body : { ...body, to },
        );
        show(
          invocation,
          finisher,
          (value) => `Finisher ${value.name} added. Choose it: fleetcast deploy IMAGE … --finishers ${value.name}`,
        );
      },
    );
  return withExample(command, 'fleetcast finisher add printers ./printers.sh --on-error warn --time-limit 2m');
}

function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Remove a finisher of your own')
    .argument('<finisher>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      await invocation.link.delete(apiPath`/finishers/${name}`);
      show(invocation, { removed: [name] }, () => `Finisher ${name} removed.`);
    });
  return withExample(command, 'fleetcast finisher remove printers');
}

function describe({ name, scope, onError, limitS, digest, bytes, createdAtMs, chosenBy }: FinisherView): string {
  return renderFacts([
    ['Finisher', name],
    ['Scope', scope],
    [
      'When it fails',
      onError === 'fail' ? 'the task fails, and the disk does not boot' : 'it is told, and the rest goes on',
    ],
    ['Time limit', `${limitS} s`],
    ...(digest === undefined ? [] : ([['SHA-256', digest]] as const)),
    ...(bytes === undefined ? [] : ([['Size', formatBytes(bytes)]] as const)),
    ...(createdAtMs === undefined ? [] : ([['Added', formatTime(createdAtMs)]] as const)),
    ['Chosen by', chosenBy.join(', ') || 'nobody'],
  ]);
}

function parseLimit(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds > MAX_LIMIT_S) {
    throw usageError(`--time-limit ${text} is not a time like 60s, of an hour at most`, 'finisher add');
  }
  return seconds;
}
