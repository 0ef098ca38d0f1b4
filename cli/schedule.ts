/** `fleetcast schedule …`: deployments that begin by themselves. */
import { Command, Option } from 'commander';
import type { NewSchedule } from '#protocol/admin/schedule-api.ts';
import { exitCodes } from '#protocol/exit-code.ts';
import { confirm, requireAnswerer } from './confirm.ts';
import { apiPath } from './daemon-link.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { type Cli, type Invocation, invocationOf, listing, show, withExample } from './invocation.ts';
import { renderPlan, takingPart } from './plan-view.ts';
import { readDeployWords } from './schedule-deploy.ts';
import {
  describePreview,
  describeSchedule,
  runHead,
  runNumbers,
  runRow,
  scheduleHead,
  scheduleRow,
} from './schedule-view.ts';
import { parseCount } from './session.ts';
import { countOf } from './size.ts';
import { usageError } from './usage-error.ts';

interface AddOptions {
  cron?: string;
  at?: string;
  tz?: string;
  until?: string;
  grace?: number;
  ifIdle?: string;
  catchUp?: boolean;
  dryRun?: boolean;
  yes?: boolean;
}

export function scheduleCommand(cli: Cli): Command {
  return new Command('schedule')
    .description('Schedules: deployments that begin by themselves (docs/schedules.md)')
    .addCommand(listCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(runCommand(cli))
    .addCommand(changeCommand(cli, 'pause'))
    .addCommand(changeCommand(cli, 'resume'))
    .addCommand(removeCommand(cli))
    .addCommand(historyCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = new Command('list')
    .description('List all schedules')
    .action(async (_options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const schedules = await invocation.link.get('schedules', apiPath`/schedules`);
      const whenEmpty = 'There is no schedule. Add one: fleetcast schedule add --help';
      show(invocation, schedules, () => listing(invocation, scheduleHead, schedules.map(scheduleRow), whenEmpty));
    });
  return withExample(command, 'fleetcast schedule list');
}

function addCommand(cli: Cli): Command {
  const command = new Command('add')
    .description('Add a schedule. Shows the plan and the next times, and asks once: its runs never ask')
    .argument('<name>', 'name of the new schedule')
    .argument('<deploy...>', 'after --: a deploy command, with its options')
    .option('--cron <fields>', 'when, repeating: minute, hour, day, month, weekday, such as "0 2 * * 1-5"')
    .option('--at <time>', 'when, once: "2026-11-23 02:00"')
    .option('--tz <zone>', 'time zone of all its times: Europe/Berlin (default: that of the server)')
    .option('--until <time>', 'end of the window: 06:00. No host begins to write that would not be done by then')
    .addOption(
      new Option('--grace <time>', 'how long hosts that still write may go on after it (default 1h)').argParser(
        parseGrace,
      ),
    )
    .option('--if-idle <hook>', 'ask this program of the hooks folder about each host; exit code 0 is idle')
    .option('--catch-up', 'run a time that passed while the daemon was down as soon as it is back')
    .option('--dry-run', 'show the plan and the times, and stop')
    .option('-y, --yes', 'do not ask')
    .action((name: string, words: string[], options: AddOptions, self: Command) =>
      add(cli, invocationOf(cli, self), name, words, options),
    );
  return withExample(
    command,
    `fleetcast schedule add nightly --cron '0 2 * * 1-5' --tz Europe/Berlin --until 06:00 -- deploy win11-lab --group room-101`,
  );
}

async function add(
  cli: Cli,
  invocation: Invocation,
  name: string,
  words: readonly string[],
  options: AddOptions,
): Promise<void> {
  const { terminal, link, isJson, command } = invocation;
  const { cron, at, tz, until, grace, ifIdle, catchUp } = options;
  const order: NewSchedule = {
    name,
    ...(cron === undefined ? {} : { cron }),
    ...(at === undefined ? {} : { at }),
    ...(tz === undefined ? {} : { tz }),
    ...(until === undefined ? {} : { until }),
    ...(grace === undefined ? {} : { graceS: grace }),
    ...(ifIdle === undefined ? {} : { ifIdle }),
    ...(catchUp === undefined ? {} : { catchUp }),
    deploy: await readDeployWords(cli, words),
  };
  const isYes = options.yes === true || options.dryRun === true;
  requireAnswerer({ terminal, isYes, isJson, what: 'Overwriting disks', command });
  const preview = await link.post('schedulePreview', apiPath`/plans/schedule`, order);
  if (!isJson) {
    terminal.outLine(renderPlan(preview.plan, (text) => terminal.paint(text, 'bold')));
    terminal.outLine(`\n${describePreview(preview)}`);
  }
  if (options.dryRun) {
    if (isJson) terminal.outJson(preview);
    if (preview.warnings.length > 0) cli.exitCode = exitCodes.conflict;
    return;
  }
  if (!isYes) {
    const disks = countOf(takingPart(preview.plan).length, 'disk');
    terminal.errorLine('');
    await confirm(terminal, `Overwrite ${disks} at every one of its times, without asking?`, 'Nothing was added.');
  }
  const schedule = await link.post('schedule', apiPath`/schedules`, order);
  show(invocation, schedule, () => `\nSchedule ${name} added.\n  History: fleetcast schedule history ${name}`);
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('Show a schedule and what its last run left out or over')
    .argument('<schedule>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      show(invocation, await invocation.link.get('schedule', apiPath`/schedules/${name}`), describeSchedule);
    });
  return withExample(command, 'fleetcast schedule show nightly');
}

function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .description('Begin a run now: all its hosts, no window (exit code 11 when none could begin)')
    .argument('<schedule>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      // Every host is asked whether it is idle before the answer comes.
      const run = await invocation.link.post('scheduleRun', apiPath`/schedules/${name}/run`, undefined, { limitMs: 0 });
      if (run.sessionId === undefined) cli.exitCode = exitCodes.conflict;
      const watch = run.sessionId === undefined ? '' : `\n  Watch: fleetcast session watch ${run.sessionId}`;
      show(invocation, run, () => `Schedule ${name}: ${run.text}.${watch}`);
    });
  return withExample(command, 'fleetcast schedule run nightly');
}

function changeCommand(cli: Cli, verb: 'pause' | 'resume'): Command {
  const command = new Command(verb)
    .description(verb === 'pause' ? 'Let its times pass without a run; a run that is there goes on' : 'End a pause')
    .argument('<schedule>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const schedule = await invocation.link.post('schedule', `${apiPath`/schedules/${name}/`}${verb}`);
      show(invocation, schedule, (value) => `Schedule ${value.name} is ${value.state}.`);
    });
  return withExample(command, `fleetcast schedule ${verb} nightly`);
}

function removeCommand(cli: Cli): Command {
  const command = new Command('remove')
    .description('Remove a schedule with its history; what it deployed stays in session list')
    .argument('<schedule>')
    .action(async (name: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      await invocation.link.delete(apiPath`/schedules/${name}`);
      show(invocation, { removed: [name] }, () => `Schedule ${name} removed.`);
    });
  return withExample(command, 'fleetcast schedule remove nightly');
}

function historyCommand(cli: Cli): Command {
  const limit = new Option('-n, --limit <count>', 'newest so many').argParser((text) =>
    parseCount(text, '--limit', 'schedule history'),
  );
  const command = new Command('history')
    .description('List the runs of a schedule, newest first: done, skipped, missed, and why')
    .argument('<schedule>')
    .addOption(limit.default(20))
    .action(async (name: string, options: { limit: number }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const { tz } = await invocation.link.get('schedule', apiPath`/schedules/${name}`);
      const runs = await invocation.link.get('scheduleRuns', apiPath`/schedules/${name}/runs?limit=${options.limit}`);
      const rows = runs.map((run) => runRow(run, tz, invocation.clock.nowMs()));
      show(invocation, runs, () => listing(invocation, runHead, rows, `${name} has not run yet.`, runNumbers));
    });
  return withExample(command, 'fleetcast schedule history nightly');
}

function parseGrace(text: string): number {
  const seconds = text === '0' ? 0 : parseDuration(text);
  if (seconds === undefined || seconds > 86_400) {
    throw usageError(`--grace ${text} is not a time like ${formatDuration(3600)}`, 'schedule add');
  }
  return seconds;
}
