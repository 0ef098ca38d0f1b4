/** `fleetcast wipe`: shows which disks would be erased, asks, erases them and reads samples back. */
import { Command, Option } from 'commander';
import { refusedIn } from '#protocol/admin/plan-api.ts';
import type { WipePlan, WipeRequest } from '#protocol/admin/wipe-api.ts';
import { knownError } from '#protocol/errors.ts';
import { exitCodes } from '#protocol/exit-code.ts';
import { onDoneOption, onFailureOption } from './capture.ts';
import { confirm, requireAnswerer } from './confirm.ts';
import { apiPath } from './daemon-link.ts';
import { type Cli, type Invocation, invocationOf, show, withExample } from './invocation.ts';
import { collectNames } from './name-list.ts';
import { isAcceptable } from './plan-question.ts';
import { disksTaken } from './plan-view.ts';
import { countOf } from './size.ts';
import { tellStarted } from './started.ts';
import { watchSession } from './watch.ts';
import { renderWipePlan } from './wipe-view.ts';

interface WipeOptions {
  hosts?: string[];
  group?: string[];
  disk: string;
  method: WipeRequest['method'];
  onDone: WipeRequest['onDone'];
  onFailure: NonNullable<WipeRequest['onFailure']>;
  skipRefused?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  watch: boolean;
}

export function wipeCommand(cli: Cli): Command {
  const command = new Command('wipe')
    .description('Erase disks of many hosts for good, and read samples back. Shows the disks and asks before')
    .option('--hosts <hosts>', 'hosts, joined with commas (repeatable)', collectNames)
    .option('-g, --group <group>', 'all hosts of a group (repeatable)', collectNames)
    .requiredOption(
      '--disk <rule>',
      "which disk of each host: serial=…, size>100G, transport=nvme, order=1, …; each (all of them); a list: 'serial=…; serial=…'",
    )
    .addOption(
      new Option(
        '--method <how>',
        'secure-erase (the disk erases itself), zeros (every byte is written), discard (TRIM: quick); auto: secure-erase where the disk can, else zeros',
      )
        .choices(['auto', 'discard', 'zeros', 'secure-erase'])
        .default('auto'),
    )
    .addOption(onDoneOption().default('poweroff'))
    .addOption(onFailureOption())
    .option('--skip-refused', 'leave out the hosts that cannot take part instead of stopping')
    .option('--dry-run', 'show the disks and stop (exit code 11 when a host is refused)')
    .option('-y, --yes', 'do not ask')
    .option('--watch', 'follow the wipe to its end (the default)', true)
    .option('--no-watch', 'return when it has started; see it later: fleetcast session show')
    .action((options: WipeOptions, self: Command) => wipe(cli, invocationOf(cli, self), options));
  return withExample(command, "fleetcast wipe --group room-101 --disk 'transport=nvme'");
}

/** Throws PLAN_EMPTY, PLAN_REFUSED, USAGE, and Interrupted when the answer is no. */
async function wipe(cli: Cli, invocation: Invocation, options: WipeOptions): Promise<void> {
  const { link, terminal, isJson, command } = invocation;
  const isYes = options.yes === true;
  const request = requestOf(options);
  if (options.dryRun !== true) requireAnswerer({ terminal, isYes, isJson, what: 'Wiping disks', command });
  const plan = await link.post('wipePlan', apiPath`/plans/wipe`, request);
  const render = (value: WipePlan) => renderWipePlan(value, (text) => terminal.paint(text, 'bold'));
  if (options.dryRun === true) {
    show(invocation, plan, render);
    if (!isAcceptable(plan, request.skipRefused)) cli.exitCode = exitCodes.conflict;
    return;
  }
  if (!isJson) terminal.outLine(render(plan));
  if (!isAcceptable(plan, request.skipRefused))
    throw knownError('PLAN_REFUSED', { what: refusedIn(plan.hosts) ?? 'every host' });
  if (!isYes) {
    terminal.errorLine('');
    const text = `Erase ${countOf(disksTaken(plan), 'disk')} for good?`;
    await confirm(terminal, text, 'Nothing was started, no disk was touched.');
  }
  const session = await link.post('session', apiPath`/sessions/wipe`, { ...request, planId: plan.planId });
  if (options.watch) cli.exitCode = await watchSession(invocation, session.sessionId);
  else tellStarted(invocation, session);
}

function requestOf(options: WipeOptions): WipeRequest {
  const hosts = options.hosts ?? [];
  const groups = options.group ?? [];
  if (hosts.length === 0 && groups.length === 0) throw knownError('PLAN_EMPTY');
  return {
    ...{ hosts, groups, disk: options.disk, method: options.method },
    ...{ onDone: options.onDone, onFailure: options.onFailure, skipRefused: options.skipRefused === true },
  };
}
