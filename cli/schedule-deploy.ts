/** The deployment of a schedule: the words after `--`, read as `fleetcast deploy` reads them. */
import { CommanderError } from 'commander';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import { type DeployOptions, deployCommand, requestOf } from './deploy.ts';
import type { Cli } from './invocation.ts';
import { usageError } from './usage-error.ts';

/** What only makes sense while somebody is there. */
const attended = { yes: '--yes', watch: '--watch', dryRun: '--dry-run' } as const;

/** Throws USAGE, PLAN_EMPTY, START_INVALID. */
export async function readDeployWords(cli: Cli, words: readonly string[]): Promise<DeployRequest> {
  const [verb, ...rest] = words;
  if (verb !== 'deploy') throw usageError('Say after -- what to do: -- deploy IMAGE --group G …', 'schedule add');
  let request: DeployRequest | undefined;
  const command = deployCommand(cli)
    .helpOption(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
    .action((image: string, options: DeployOptions) => {
      for (const [name, flag] of Object.entries(attended)) {
        if (options[name as keyof typeof attended] === undefined) continue;
        throw usageError(`${flag} has no meaning for a deployment that begins by itself`, 'schedule add');
      }
      request = requestOf(image, options, 'deploy');
    });
  try {
    await command.parseAsync([...rest], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageError(error.message.replace(/^error: /, 'deploy: '), 'deploy');
  }
  return request!;
}
