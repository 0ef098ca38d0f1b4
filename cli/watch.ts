/** Follows one session to its end, on a terminal, a pipe or as JSON; a daemon that restarts is waited for. */
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { ExitCode } from '#protocol/exit-code.ts';
import { isSessionEnded } from '#protocol/states.ts';
import { apiPath } from './daemon-link.ts';
import { formatClock } from './duration.ts';
import { followStream } from './event-stream.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';
import type { Invocation } from './invocation.ts';
import { LiveScreen } from './live-screen.ts';
import { exitCodeOfSession, renderReceipt } from './receipt.ts';
import { describeChanges } from './watch-log.ts';
import { renderWatch } from './watch-view.ts';

/** A session of which the stream says nothing is asked for after so long, in ms. */
const QUIET_MS = 5000;
const TICK_MS = 1000;
const AWAY = 'the daemon is away, waiting…';

/** Who shows the session: one implementation for each kind of output. */
interface Display {
  view(view: SessionView): void;
  away(): void;
  back(): void;
  tick(): void;
  end(o: { keep: boolean }): void;
}

/**
 * Returns the exit code of the ended session, after its receipt was printed. Ctrl-C throws Interrupted: the session goes on.
 * Throws DAEMON_UNREACHABLE only at the start, later it waits.
 */
export async function watchSession(invocation: Invocation, sessionId: number): Promise<ExitCode> {
  const { terminal, isJson, clock } = invocation;
  const display = displayFor(invocation);
  let last: SessionView | undefined;
  try {
    last = await followSession(invocation, sessionId, display);
  } catch (error) {
    display.end({ keep: true });
    throw error;
  }
  display.end({ keep: false });
  if (!isJson) {
    terminal.outLine(renderReceipt(last, clock.nowMs(), (text) => terminal.paint(text, 'bold')));
  }
  return exitCodeOfSession(last);
}

async function followSession(invocation: Invocation, sessionId: number, display: Display): Promise<SessionView> {
  const { link, clock } = invocation;
  const stop = new AbortController();
  let last: SessionView | undefined;
  let lastMs = clock.nowMs();
  let isInterrupted = false;
  const take = (view: SessionView) => {
    lastMs = clock.nowMs();
    if (last && isSessionEnded(last.state)) return;
    last = view;
    display.view(view);
    if (isSessionEnded(view.state)) stop.abort();
  };
  const ask = async () => take(await link.get('session', apiPath`/sessions/${sessionId}`));
  const giveBack = onInterrupt(() => {
    isInterrupted = true;
    stop.abort();
  });
  const ticker = setInterval(() => {
    display.tick();
    if (clock.nowMs() - lastMs < QUIET_MS) return;
    lastMs = clock.nowMs();
    // The stream itself notices a daemon that is away.
    ask().catch(() => undefined);
  }, TICK_MS);
  try {
    const path = apiPath`/events?session=${sessionId}&follow=1`;
    for await (const item of followStream({ link, path, clock, signal: stop.signal })) {
      if (item.kind === 'away') display.away();
      else if (item.kind === 'connected') display.back();
      else if (item.message.event === 'session') take(await link.checked('session', item.message.data));
    }
  } finally {
    clearInterval(ticker);
    giveBack();
  }
  if (last && isSessionEnded(last.state)) return last;
  const back = `Come back: fleetcast session watch ${sessionId}`;
  if (isInterrupted) throw new Interrupted(`You left the watch; session ${sessionId} goes on.\n  ${back}`);
  throw new Error(`the watch of session ${sessionId} ended by itself`);
}

function displayFor(invocation: Invocation): Display {
  if (invocation.isJson) return jsonDisplay(invocation);
  return invocation.terminal.canRedraw ? screenDisplay(invocation) : logDisplay(invocation);
}

function screenDisplay({ terminal, clock }: Invocation): Display {
  let shown: SessionView | undefined;
  let notice: string | undefined;
  const draw = () => {
    if (shown) screen.draw(renderWatch(shown, terminal, clock.nowMs(), notice));
  };
  const screen = new LiveScreen(terminal, draw);
  return {
    view: (view) => {
      shown = view;
      draw();
    },
    away: () => {
      notice = AWAY;
      draw();
    },
    back: () => {
      notice = undefined;
      draw();
    },
    tick: draw,
    end: (o) => screen.end(o),
  };
}

function logDisplay({ terminal, clock }: Invocation): Display {
  let before: SessionView | undefined;
  return {
    view: (view) => {
      const time = formatClock(clock.nowMs());
      for (const line of describeChanges(before, view)) terminal.outLine(`${time} ${line}`);
      before = view;
    },
    ...noticesOf(terminal),
    end: ({ keep }) => {
      if (!keep) terminal.outLine('');
    },
  };
}

function jsonDisplay({ terminal }: Invocation): Display {
  let before = '';
  return {
    view: (view) => {
      const text = JSON.stringify(view);
      if (text !== before) terminal.outLine(text);
      before = text;
    },
    ...noticesOf(terminal),
    end: () => undefined,
  };
}

/** Where lines cannot be taken back, the daemon's absence is told on stderr: once when it goes, once when it is back. */
function noticesOf(terminal: Invocation['terminal']): Pick<Display, 'away' | 'back' | 'tick'> {
  let isAway = false;
  return {
    away: () => {
      isAway = true;
      terminal.errorLine(`fleetcast: ${AWAY}`);
    },
    back: () => {
      if (isAway) terminal.errorLine('fleetcast: the daemon is back');
      isAway = false;
    },
    tick: () => undefined,
  };
}
