/** `--finishers` of `group set` and `image set`: what runs when a session says nothing. */
import { Command } from 'commander';
import type { FinisherDefault } from '#protocol/admin/finisher-api.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, type Invocation, invocationOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { usageError } from './usage-error.ts';

export interface FinisherChoice {
  finishers?: string[];
  unsetFinishers?: boolean;
}

/** Adds the two options to a `set` command. */
export function withFinisherOptions(command: Command): Command {
  return command
    .option(
      '--finishers <names>',
      'what runs after a deployment, joined with commas, in order; none: nothing',
      collectNames,
    )
    .option('--unset-finishers', 'say nothing of its own about finishers any more');
}

export function isFinisherChoice({ finishers, unsetFinishers }: FinisherChoice): boolean {
  return finishers !== undefined || unsetFinishers === true;
}

/** Sets or takes back the choice, and shows it. Throws USAGE. */
export async function chooseFinishers(
  invocation: Invocation,
  scope: 'group' | 'image',
  name: string,
  { finishers, unsetFinishers = false }: FinisherChoice,
): Promise<void> {
  if (unsetFinishers === (finishers !== undefined)) {
    throw usageError('give --finishers NAMES or --unset-finishers', invocation.command);
  }
  const path = scope === 'group' ? apiPath`/groups/${name}/finishers` : apiPath`/images/${name}/finishers`;
  const body = { finishers: finishers ?? null };
  show(invocation, await invocation.link.post('finisherDefault', path, body), describe);
}

export function setImageCommand(cli: Cli): Command {
  const command = withFinisherOptions(
    new Command('set')
      .description('Choose the finishers of an image: what runs when neither session nor group say something')
      .argument('<image>'),
  ).action((name: string, options: FinisherChoice, self: Command) =>
    chooseFinishers(invocationOf(cli, self), 'image', name, options),
  );
  return withExample(command, 'fleetcast image set win11-lab --finishers hostname,machine-id');
}

function describe({ of, finishers }: FinisherDefault): string {
  if (finishers === null) return `The ${of} says nothing of its own now.`;
  return `The ${of} chooses these finishers: ${finishers.join(', ')}.`;
}
