/** `fleetcast openapi`: the machine-readable description of the admin API. */
import { Command } from 'commander';
import { type Cli, invocationOf, withExample } from './invocation.ts';

export function openapiCommand(cli: Cli): Command {
  const command = new Command('openapi')
    .description('Print the OpenAPI document of the admin API')
    .action(async (_options: object, self: Command) => {
      const { link, terminal, isJson } = invocationOf(cli, self);
      const document = await link.get('document', '/openapi.json');
      terminal.outLine(JSON.stringify(document, null, isJson ? undefined : 2));
    });
  return withExample(command, 'fleetcast openapi > fleetcast-openapi.json');
}
