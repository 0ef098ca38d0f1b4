/** `fleetcast group set` and `fleetcast image set`: what they choose when a session says nothing. */
import { Command } from 'commander';
import type { FinisherDefault } from '#protocol/finisher.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, invocationOf, pathOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { usageError } from './usage-error.ts';

interface ChoiceOptions {
  finishers?: string[];
  unsetFinishers?: boolean;
}

export function chooseFinishersCommand(cli: Cli, scope: 'group' | 'image', example: string): Command {
  const when = scope === 'group' ? 'when a session says nothing' : 'when neither session nor group say something';
  const command = new Command('set')
    .description(`Choose the finishers of ${scope === 'group' ? 'a group' : 'an image'}: what runs ${when}`)
    .argument(`<${scope}>`)
    .option('--finishers <names>', 'names joined with commas, in order; none: nothing runs', collectNames)
    .option('--unset-finishers', 'say nothing of its own any more')
    .action(async (name: string, options: ChoiceOptions, self: Command) => {
      const isUnset = options.unsetFinishers === true;
      if (isUnset === (options.finishers !== undefined)) {
        throw usageError('give --finishers NAMES or --unset-finishers', pathOf(self));
      }
      const invocation = invocationOf(cli, self);
      const path = scope === 'group' ? apiPath`/groups/${name}/finishers` : apiPath`/images/${name}/finishers`;
      const body = { finishers: isUnset ? null : options.finishers };
      show(invocation, await invocation.link.post('finisherDefault', path, body), describe);
    });
  return withExample(command, `fleetcast ${scope} set ${example} --finishers hostname,machine-id`);
}

function describe({ of, finishers }: FinisherDefault): string {
  if (finishers === null) return `The ${of} says nothing of its own now.`;
  return `The ${of} chooses these finishers: ${finishers.join(', ')}.`;
}
