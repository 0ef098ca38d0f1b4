/** `group set` and `image set`: the finishers and the secrets of LUKS containers for when a session says nothing of them. */
import { Command } from 'commander';
import type { Chosen } from '#protocol/admin/chosen.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, type Invocation, invocationOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { usageError } from './usage-error.ts';

export interface ChoiceOptions {
  finishers?: string[];
  unsetFinishers?: boolean;
  luksSecret?: string[];
  unsetLuksSecret?: boolean;
}

/** Adds the options to a `set` command. */
export function withChoiceOptions(command: Command): Command {
  return command
    .option(
      '--finishers <names>',
      'what runs after a deployment, joined with commas, in order; none: nothing',
      collectNames,
    )
    .option('--unset-finishers', 'say nothing of its own about finishers any more')
    .option(
      '--luks-secret <names>',
      'what opens the LUKS containers of an image on hosts, the first one and any further ones, joined with commas',
      collectNames,
    )
    .option('--unset-luks-secret', 'say nothing of its own about secrets any more');
}

export function isChoice(options: ChoiceOptions): boolean {
  const { finishers, unsetFinishers, luksSecret, unsetLuksSecret } = options;
  return [finishers, unsetFinishers, luksSecret, unsetLuksSecret].some((one) => one !== undefined);
}

/** Sets or takes back one choice, and shows it. Throws USAGE. */
export async function choose(
  invocation: Invocation,
  scope: 'group' | 'image',
  name: string,
  { finishers, unsetFinishers, luksSecret, unsetLuksSecret }: ChoiceOptions,
): Promise<void> {
  const given = [finishers, unsetFinishers, luksSecret, unsetLuksSecret].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const disk = scope === 'group' ? '--disk RULE, ' : '';
    const options = `${disk}--finishers NAMES, --unset-finishers, --luks-secret NAMES or --unset-luks-secret`;
    throw usageError(`give one of ${options}`, invocation.command);
  }
  const { link } = invocation;
  const path = scope === 'group' ? apiPath`/groups/${name}` : apiPath`/images/${name}`;
  if (luksSecret !== undefined || unsetLuksSecret === true) {
    const body = { luksSecrets: luksSecret ?? null };
    const answer = await link.post('luksChoice', `${path}/luks-secrets`, body);
    return show(invocation, answer, ({ of, luksSecrets }) => describe(of, 'what opens LUKS containers', luksSecrets));
  }
  const answer = await link.post('finisherDefault', `${path}/finishers`, { finishers: finishers ?? null });
  show(invocation, answer, (value) => describe(value.of, 'these finishers', value.finishers));
}

export function setImageCommand(cli: Cli): Command {
  const command = withChoiceOptions(
    new Command('set')
      .description(
        'Choose finishers or secrets of an image, one thing at a time, for when neither session nor group do',
      )
      .argument('<image>'),
  ).action((name: string, options: ChoiceOptions, self: Command) =>
    choose(invocationOf(cli, self), 'image', name, options),
  );
  return withExample(command, 'fleetcast image set win11-lab --finishers hostname,machine-id');
}

/** What is chosen, as facts. */
export function describeChosen({ finishers, luksSecrets }: Chosen): [string, string | undefined][] {
  return [
    ['Finishers', finishers?.join(', ')],
    ['LUKS secrets', luksSecrets?.join(', ')],
  ];
}

function describe(of: string, what: string, names: readonly string[] | null): string {
  return names === null ? `The ${of} says nothing of its own now.` : `The ${of} chooses ${what}: ${names.join(', ')}.`;
}
