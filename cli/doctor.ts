/** `fleetcast doctor`: a preflight of server, network and hosts. Nothing is written to any disk. */
import { Command, Option } from 'commander';
import type { DoctorLine, DoctorRequest, Finding } from '#protocol/admin/doctor-api.ts';
import { knownError } from '#protocol/errors.ts';
import { exitCodes } from '#protocol/exit-code.ts';
import { apiPath } from './daemon-link.ts';
import { describeFindings } from './doctor-view.ts';
import { type Cli, type Invocation, invocationOf, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { serverArguments } from './serve.ts';
import { askServer } from './server-process.ts';
import { usageError } from './usage-error.ts';

interface DoctorOptions {
  group?: string[];
  hosts?: string[];
  wake?: boolean;
  onDone: DoctorRequest['onDone'];
  server?: boolean;
  config?: string;
  dataDir?: string;
}

export function doctorCommand(cli: Cli): Command {
  const command = new Command('doctor')
    .description(
      'Look for what would spoil a deployment: server, network, hosts. Exit code 3 when something needs attention',
    )
    .option('-g, --group <group>', 'the hosts of a group (repeatable; default: all hosts)', collectNames)
    .option('--hosts <names>', 'names or ids, separated by commas', collectNames)
    .option('--wake', 'wake the hosts that sleep')
    .addOption(
      new Option('--on-done <action>', 'what a woken host does afterwards')
        .choices(['poweroff', 'reboot', 'stay'])
        .default('poweroff'),
    )
    .option('--server', 'only the server itself, also without a running daemon')
    .option('-c, --config <path>', 'with --server: config file')
    .option('--data-dir <path>', 'with --server: folder of the database and the store')
    .action(async (options: DoctorOptions, self: Command) => {
      const invocation = invocationOf(cli, self);
      const findings = await collect(invocation, linesFrom(invocation, options));
      const { terminal, isJson } = invocation;
      const needsAttention = findings.some(({ level }) => level === 'attention');
      if (isJson) terminal.outJson({ needsAttention, findings });
      else terminal.outLine(describeFindings(findings, terminal));
      if (needsAttention) cli.exitCode = exitCodes.someHostsFailed;
    });
  return withExample(command, 'fleetcast doctor --group room-101 --wake');
}

function linesFrom(invocation: Invocation, options: DoctorOptions): AsyncIterable<DoctorLine> {
  const { link, socketOption, command } = invocation;
  const { config, dataDir, group, hosts, wake, onDone } = options;
  const folders = { ...(config && { config }), ...(dataDir && { dataDir }) };
  if (options.server === true) {
    if (group !== undefined || hosts !== undefined || wake === true)
      throw usageError('--server looks at no hosts: leave out --group, --hosts and --wake', command);
    return readLines(invocation, ['doctor', ...serverArguments({ ...folders, socket: socketOption }, true)]);
  }
  if (Object.keys(folders).length > 0) throw usageError('--config and --data-dir go with --server', command);
  const request: DoctorRequest = { hosts: hosts ?? [], groups: group ?? [], wake: wake === true, onDone };
  return link.postForLines('doctorLine', apiPath`/doctor`, request);
}

async function* readLines({ link }: Invocation, args: readonly string[]): AsyncGenerator<DoctorLine> {
  for await (const line of askServer(args)) yield await link.checked('doctorLine', line);
}

/** Says on a terminal what goes on; a stream that stops early is an error. */
async function collect({ terminal, isJson, link }: Invocation, lines: AsyncIterable<DoctorLine>): Promise<Finding[]> {
  const isShown = terminal.isErrorTerminal && !isJson;
  const findings: Finding[] = [];
  let isDone = false;
  for await (const { doing, finding, done } of lines) {
    if (finding !== undefined) findings.push(finding);
    if (doing !== undefined && isShown) terminal.error(`\r${doing} …\x1b[K`);
    isDone ||= done === true;
  }
  if (isShown) terminal.error('\r\x1b[K');
  if (!isDone)
    throw knownError('DAEMON_UNREACHABLE', { socket: link.socketPath, reason: 'it ended in the middle of the check' });
  return findings;
}
