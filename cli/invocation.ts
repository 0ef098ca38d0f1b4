/** What every command gets: the terminal, the global options, the link to the daemon. */
import type { Command } from 'commander';
import { type ExitCode, exitCodes } from '#protocol/exit-code.ts';
import { type Clock, systemClock } from '#system/clock.ts';
import { DaemonLink } from './daemon-link.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

export const DEFAULT_SOCKET = '/run/fleetcast/admin.sock';

/** The running fleetcast command: what all command files share. */
export interface Cli {
  readonly terminal: Terminal;
  /** How the process ends when nothing is thrown. */
  exitCode: ExitCode;
}

export function makeCli(terminal: Terminal): Cli {
  return { terminal, exitCode: exitCodes.done };
}

export interface Invocation {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly isJson: boolean;
  readonly link: DaemonLink;
  /** The `--socket` as the admin gave it: undefined when the default is meant. */
  readonly socketOption: string | undefined;
  /** Path of the command below fleetcast: `host add`. */
  readonly command: string;
}

/** Reads the global options, wherever on the line they stand. */
export function invocationOf(cli: Cli, command: Command): Invocation {
  const options = command.optsWithGlobals<{ json?: boolean; socket?: string }>();
  return {
    terminal: cli.terminal,
    clock: systemClock,
    isJson: options.json === true,
    link: new DaemonLink(options.socket ?? DEFAULT_SOCKET, cli.terminal.user),
    socketOption: options.socket,
    command: pathOf(command),
  };
}

/** `host add` of that command; empty for fleetcast itself. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** Prints the API's objects with `--json`, else what `forPeople` makes of them. */
export function show<Value>(invocation: Invocation, value: Value, forPeople: (value: Value) => string): void {
  if (invocation.isJson) invocation.terminal.outJson(value);
  else invocation.terminal.outLine(forPeople(value));
}

/** A table with a bold head on a terminal, or one sentence when there is nothing to list. */
export function listing(
  invocation: Invocation,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  whenEmpty: string,
  right: readonly number[] = [],
): string {
  if (rows.length === 0) return whenEmpty;
  return renderTable(head, rows, { right, paintHead: (text) => invocation.terminal.paint(text, 'bold') });
}

/** Adds the line that docs/cli.md and `--help` show. */
export function withExample(command: Command, example: string): Command {
  examples.set(command, example);
  return command.addHelpText('after', `\nExample:\n  ${example}`);
}

export function exampleOf(command: Command): string | undefined {
  return examples.get(command);
}

const examples = new WeakMap<Command, string>();
