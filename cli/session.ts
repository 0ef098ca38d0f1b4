/** `fleetcast session …`: deployments and captures, running and ended. */
import { Command, Option } from 'commander';
import { DEFAULT_WAKE_GAP_S } from '#protocol/admin/deploy-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { isSessionEnded } from '#protocol/states.ts';
import { apiPath } from './daemon-link.ts';
import { kindOf } from './drift-view.ts';
import { formatDuration, formatTime } from './duration.ts';
import { type Cli, type Invocation, invocationOf, listing, show, withExample } from './invocation.ts';
import { exitCodeOfSession, renderReceipt } from './receipt.ts';
import { reportCommand } from './report.ts';
import { addCommand, removeCommand, setCommand } from './session-change.ts';
import { parseSessionId } from './session-id.ts';
import { countOf, formatBytes, formatRate } from './size.ts';
import { describeStartPolicy } from './start-policy.ts';
import { renderFacts } from './table.ts';
import { usageError } from './usage-error.ts';
import { watchSession } from './watch.ts';
import { headlineOf } from './watch-view.ts';

/** Most sessions that `session list` asks for. */
const MOST_LISTED = 1000;

export function sessionCommand(cli: Cli): Command {
  return new Command('session')
    .description('Sessions: deployments and captures')
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(reportCommand(cli))
    .addCommand(watchCommand(cli))
    .addCommand(startNowCommand(cli))
    .addCommand(setCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(removeCommand(cli))
    .addCommand(cancelCommand(cli));
}

function listCommand(cli: Cli): Command {
  const limit = new Option('-n, --limit <count>', 'newest so many').argParser((text) => parseCount(text, '--limit'));
  const command = new Command('list')
    .description('List sessions, newest first')
    .addOption(limit.default(20))
    .action(async (options: { limit: number }, self: Command) => {
      const invocation = invocationOf(cli, self);
      const sessions = await invocation.link.get('sessions', apiPath`/sessions?limit=${options.limit}`);
      show(invocation, sessions, () => sessionTable(invocation, sessions));
    });
  return withExample(command, 'fleetcast session list');
}

function showCommand(cli: Cli): Command {
  const command = new Command('show')
    .description('Show a session: passes, hosts, results, reasons')
    .argument('<session>', 'id')
    .action(async (text: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = parseSessionId(text, self);
      const session = await invocation.link.get('session', apiPath`/sessions/${id}`);
      show(invocation, session, (value) => describeSession(invocation, value));
    });
  return withExample(command, 'fleetcast session show 12');
}

function watchCommand(cli: Cli): Command {
  const command = new Command('watch')
    .description('Follow a session to its end; leaving the watch does not stop it')
    .argument('[session]', 'id; without it, the newest that runs')
    .action(async (text: string | undefined, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = text === undefined ? await newestRunning(invocation) : parseSessionId(text, self);
      cli.exitCode = await watchSession(invocation, id);
    });
  return withExample(command, 'fleetcast session watch 12');
}

function startNowCommand(cli: Cli): Command {
  const command = new Command('start-now')
    .description('Begin the cast with whoever is ready; late hosts are repaired afterwards')
    .argument('<session>', 'id')
    .action(async (text: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = parseSessionId(text, self);
      const session = await invocation.link.post('session', apiPath`/sessions/${id}/start-now`);
      show(invocation, session, (value) => `${headlineOf(value)}: the cast starts with whoever is ready.`);
    });
  return withExample(command, 'fleetcast session start-now 12');
}

function cancelCommand(cli: Cli): Command {
  const command = new Command('cancel')
    .description('Cancel a session; disks that were being written stay without a partition table')
    .argument('<session>', 'id')
    .action(async (text: string, _options: object, self: Command) => {
      const invocation = invocationOf(cli, self);
      const id = parseSessionId(text, self);
      const session = await invocation.link.post('session', apiPath`/sessions/${id}/cancel`);
      show(invocation, session, (value) => `${headlineOf(value)}.`);
    });
  return withExample(command, 'fleetcast session cancel 12');
}

async function newestRunning(invocation: Invocation): Promise<number> {
  const sessions = await invocation.link.get('sessions', apiPath`/sessions?limit=${MOST_LISTED}`);
  const running = sessions.filter((session) => !isSessionEnded(session.state)).map((session) => session.sessionId);
  if (running.length === 0)
    throw usageError('No session runs now; name one: fleetcast session list', invocation.command);
  return Math.max(...running);
}

export function parseCount(text: string, option: string, command = 'session list'): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MOST_LISTED) {
    throw usageError(`${option} ${text} is not a count from 1 to ${MOST_LISTED}`, command);
  }
  return count;
}

function sessionTable(invocation: Invocation, sessions: readonly SessionView[]): string {
  const nowMs = invocation.clock.nowMs();
  const head = ['SESSION', 'KIND', 'IMAGE', 'STATE', 'HOSTS', 'DONE', 'FAILED', 'BEGAN', 'TOOK'];
  const rows = sessions.map((session) => [
    String(session.sessionId),
    kindOf(session),
    session.version === undefined ? session.image : `${session.image}@${session.version}`,
    session.state,
    String(session.tasks.length),
    String(session.succeeded),
    String(session.failed),
    formatTime(session.createdAtMs),
    formatDuration(((session.endedAtMs ?? nowMs) - session.createdAtMs) / 1000),
  ]);
  return listing(invocation, head, rows, 'There is no session yet.', [4, 5, 6, 8]);
}

function describeSession(invocation: Invocation, session: SessionView): string {
  const { terminal, clock } = invocation;
  const exit = exitCodeOfSession(session);
  const facts = renderFacts([
    ['Session', headlineOf(session)],
    ['Began', formatTime(session.createdAtMs)],
    ['Ended', session.endedAtMs === undefined ? undefined : formatTime(session.endedAtMs)],
    ['Starts', session.start && describeStartPolicy(session.start)],
    ['Mode', session.mode && `${session.mode}${session.maxMbit ? `, at most ${session.maxMbit} Mbit/s` : ''}`],
    ['Verify', session.verify],
    ['Afterwards', describeAfterwards(session)],
    ['Wakes', describeWakes(session)],
    ['Waves', describeWaves(session)],
    ['Passes', session.casts.map(describeCast).join('\n')],
    [
      'Result',
      isSessionEnded(session.state) ? (exit === 0 ? 'every host succeeded' : 'not every host succeeded') : undefined,
    ],
  ]);
  return `${facts}\n\n${renderReceipt(session, clock.nowMs(), (text) => terminal.paint(text, 'bold'))}`;
}

function describeWakes({ wakeWave, wakeGapS = DEFAULT_WAKE_GAP_S }: SessionView): string | undefined {
  return wakeWave === undefined ? undefined : `${countOf(wakeWave, 'host')} every ${formatDuration(wakeGapS)}`;
}

function describeWaves({ tasks, wave, waveCount = 1, stopAtFailures = 1 }: SessionView): string | undefined {
  if (wave === undefined) return undefined;
  const sizes = Array.from({ length: waveCount }, (_, i) => tasks.filter((task) => task.wave === i + 1).length);
  return `${wave} of ${waveCount} (${sizes.join(', ')} hosts); ${countOf(stopAtFailures, 'failed host')} would stop the next one`;
}

function describeAfterwards({ onDone, onFailure }: SessionView): string | undefined {
  if (onDone === undefined) return undefined;
  return onFailure === undefined ? onDone : `${onDone}; a host that has failed: ${onFailure}`;
}

function describeCast(cast: SessionView['casts'][number]): string {
  const seconds =
    cast.firstByteAtMs === undefined || cast.endedAtMs === undefined ? 0 : (cast.endedAtMs - cast.firstByteAtMs) / 1000;
  const speed = seconds > 0 ? ` in ${formatDuration(seconds)}, ${formatRate(cast.sentBytes / seconds)}` : '';
  const outcome = cast.outcome ? ` (${cast.outcome})` : '';
  return `${cast.pass}: ${formatBytes(cast.sentBytes)} of ${formatBytes(cast.bytes)} to ${cast.receivers} hosts${speed}${outcome}`;
}
