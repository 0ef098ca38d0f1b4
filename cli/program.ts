/** The tree of commands. */
import { readFileSync } from 'node:fs';
import { Command, type CommanderError } from 'commander';
import { auditCommand } from './audit.ts';
import { bootCommand } from './boot.ts';
import { captureCommand } from './capture.ts';
import { completeCommand, completionCommand } from './completion.ts';
import { configCommand } from './config.ts';
import { deployCommand } from './deploy.ts';
import { dhcpCommand } from './dhcp.ts';
import { doctorCommand } from './doctor.ts';
import { eventsCommand } from './events.ts';
import { finisherCommand } from './finisher.ts';
import { groupCommand } from './group.ts';
import { hostCommand } from './host.ts';
import { imageCommand } from './image.ts';
import { type Cli, DEFAULT_SOCKET, pathOf } from './invocation.ts';
import { openapiCommand } from './openapi.ts';
import { powerCommand } from './power.ts';
import { scheduleCommand } from './schedule.ts';
import { secretCommand } from './secret.ts';
import { serveCommand } from './serve.ts';
import { sessionCommand } from './session.ts';
import { statusCommand } from './status.ts';
import { usageError } from './usage-error.ts';
import { wakeCommand } from './wake.ts';
import { wipeCommand } from './wipe.ts';

/** Parsing it throws KnownError (USAGE) for what cannot be meant, and HelpShown after `--help` and `--version`. */
export function buildProgram(cli: Cli): Command {
  const program = new Command('fleetcast')
    .description('Puts one disk image on many machines at once: capture, multicast, verify')
    .version(readVersion())
    .option('--socket <path>', `unix socket of the daemon (default: ${DEFAULT_SOCKET})`)
    .option('--json', 'the API objects as JSON on stdout, errors as {"error":…} on stderr')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText('after', '\nGlobal options stand before or after a command. Exit codes: docs/cli.md')
    .addCommand(serveCommand(cli))
    .addCommand(configCommand(cli))
    .addCommand(statusCommand(cli))
    .addCommand(hostCommand(cli))
    .addCommand(groupCommand(cli))
    .addCommand(imageCommand(cli))
    .addCommand(finisherCommand(cli))
    .addCommand(secretCommand(cli))
    .addCommand(captureCommand(cli))
    .addCommand(deployCommand(cli))
    .addCommand(auditCommand(cli))
    .addCommand(wipeCommand(cli))
    .addCommand(sessionCommand(cli))
    .addCommand(scheduleCommand(cli))
    .addCommand(wakeCommand(cli))
    .addCommand(powerCommand(cli))
    .addCommand(dhcpCommand(cli))
    .addCommand(doctorCommand(cli))
    .addCommand(eventsCommand(cli))
    .addCommand(bootCommand(cli))
    .addCommand(openapiCommand(cli))
    .addCommand(completionCommand(cli));
  program.addCommand(completeCommand(cli, program), { hidden: true });
  for (const command of everyCommand(program)) inherit(command, cli);
  return program;
}

/** The root first, then depth first. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** What was asked for (help, the version) has been printed. */
export class HelpShown extends Error {}

function inherit(command: Command, { terminal }: Cli): void {
  command.configureHelp({ showGlobalOptions: true });
  command.configureOutput({
    writeOut: (text) => terminal.out(text),
    // Errors are thrown, and printed in one place.
    writeErr: () => undefined,
    getOutHelpWidth: () => terminal.width,
    getOutHasColors: () => terminal.hasColour,
  });
  command.exitOverride((error: CommanderError) => {
    if (error.exitCode === 0) throw new HelpShown();
    throw usageError(problemOf(error, command), pathOf(command));
  });
}

function problemOf(error: CommanderError, command: Command): string {
  if (error.code === 'commander.help') {
    const names = command.commands.map((child) => child.name()).filter((name) => !name.startsWith('__'));
    return `${`fleetcast ${pathOf(command)}`.trim()} needs a command: ${names.join(', ')}`;
  }
  return error.message
    .replace(/^error: /, '')
    .replace(/\n+/g, ' ')
    .trim();
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
