import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeDaemon } from './fake-daemon.ts';
import { CliProcess } from './run-cli.ts';
import { cast, event, failure, session, succeeded, T0, task } from './sample-views.ts';

const gathering = session('gathering', [task('pc-01', 'ready'), task('pc-02', 'booting')]);
const casting = session('casting', [task('pc-01', 'receiving'), task('pc-02', 'receiving')], { casts: [cast()] });
const failed = failure('HOST_LOST', { host: 'pc-02', seconds: 300 });
const ended = { endedAtMs: T0 + 310_000 };
const oneFailed = session('completed', [succeeded('pc-01'), task('pc-02', 'failed', failed)], ended);
const allDone = session('completed', [succeeded('pc-01'), succeeded('pc-02')], ended);

test('on a pipe a watch prints one line a change, the receipt, and ends with 3 when a host failed', async (t) => {
  const { daemon, cli } = await watching(t);
  daemon.sendSession(gathering);
  await cli.printed('gathering');
  daemon.sendSession(casting);
  daemon.sendSession(casting);
  daemon.sendSession(oneFailed);
  assert.equal(await cli.ended, 3);
  const lines = cli.out.replace(/^\d\d:\d\d:\d\d /gm, '').split('\n');
  assert.deepEqual(lines.slice(0, 8), [
    'Session 12: deploy win11-lab@3 to 2 hosts, gathering',
    'Session 12: gathering → casting',
    'pass 1 begins: 1.0 GB to 2 hosts',
    'pc-01: ready → receiving',
    'pc-02: booting → receiving',
    'Session 12: casting → completed',
    'pc-01: receiving → succeeded',
    'pc-02: receiving → failed: pc-02 has not been heard of for 300 s  Next: Look at its screen; then deploy to it again',
  ]);
  assert.match(cli.out, /\nSession 12 completed: 1 done \(all verified\), 1 failed, in 5m10s\.\n$/);
  assert.doesNotMatch(cli.out, /\x1b/);
});

test('as JSON a watch prints each view of the session once', async (t) => {
  const { daemon, cli } = await watching(t, '--json');
  for (const view of [gathering, gathering, casting, allDone]) daemon.sendSession(view);
  assert.equal(await cli.ended, 0);
  const views = cli.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  assert.deepEqual(views, [gathering, casting, allDone]);
});

test('a watch survives the daemon: it says once that it waits, and goes on', async (t) => {
  const { daemon, cli } = await watching(t);
  daemon.sendSession(gathering);
  await cli.printed('gathering');
  await daemon.die();
  await cli.printed('the daemon is away, waiting…');
  await daemon.listen();
  await daemon.followed();
  daemon.sendSession(allDone);
  assert.equal(await cli.ended, 0);
  assert.equal(cli.err, 'fleetcast: the daemon is away, waiting…\nfleetcast: the daemon is back\n');
});

test('Ctrl-C leaves the watch with 130 and says how to come back', async (t) => {
  const { daemon, cli } = await watching(t);
  daemon.sendSession(gathering);
  await cli.printed('gathering');
  cli.child.kill('SIGINT');
  assert.equal(await cli.ended, 130);
  assert.equal(cli.err, 'You left the watch; session 12 goes on.\n  Come back: fleetcast session watch 12\n');
  assert.ok(daemon.calls.every((call) => call.method === 'GET'));
});

test('Ctrl-C works while the daemon is away', async (t) => {
  const { daemon, cli } = await watching(t);
  daemon.sendSession(gathering);
  await cli.printed('gathering');
  await daemon.die();
  await cli.printed('waiting…');
  cli.child.kill('SIGINT');
  assert.equal(await cli.ended, 130);
});

test('on a terminal the lines are drawn again in place, and the cursor comes back', async (t) => {
  const { daemon, cli } = await watching(t, 'terminal');
  daemon.sendSession(gathering);
  await cli.printed('1 of 2 hosts ready');
  daemon.sendSession(casting);
  await cli.printed('2 receiving');
  daemon.sendSession(allDone);
  assert.equal(await cli.ended, 0);
  assert.match(cli.out, /\x1b\[5A/, 'it goes up the five lines that it drew');
  assert.ok(cli.out.lastIndexOf('\x1b[?25h') > cli.out.lastIndexOf('\x1b[?25l'));
  assert.match(cli.out, /2 done \(all verified\)/);
});

test('Ctrl-C on a terminal brings the cursor back', async (t) => {
  const { daemon, cli } = await watching(t, 'terminal');
  daemon.sendSession(gathering);
  await cli.printed('1 of 2 hosts ready');
  cli.child.stdin.write('\x03');
  assert.equal(await cli.ended, 130);
  assert.ok(cli.out.lastIndexOf('\x1b[?25h') > cli.out.lastIndexOf('\x1b[?25l'));
  assert.match(cli.out, /Come back: fleetcast session watch 12/);
});

test('watching an unknown session ends at once, and so does watching without a daemon', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const cli = CliProcess.onPipes(['session', 'watch', '12', '--socket', daemon.socket]);
  assert.equal(await cli.ended, 2);
  await daemon.die();
  const alone = CliProcess.onPipes(['session', 'watch', '12', '--socket', daemon.socket]);
  assert.equal(await alone.ended, 10);
});

test('capture watches by default', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const view = session('capturing', [task('pc-07', 'capturing')], { kind: 'capture' });
  daemon.onStream().on('POST /sessions/capture', 'session', () => view);
  const cli = CliProcess.onPipes(['capture', 'pc-07', '--as', 'golden', '--socket', daemon.socket]);
  t.after(() => cli.child.kill('SIGKILL'));
  await daemon.followed();
  daemon.sendSession({ ...view, state: 'failed', tasks: [task('pc-07', 'failed', failed)], failed: 1, ...ended });
  assert.equal(await cli.ended, 3);
});

test('events are followed from the list into the stream without a gap or a repeat', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.onStream();
  const stream = daemon.routeOf('GET /events');
  daemon.onRaw('GET /events', (call, response) => {
    if (call.path.includes('follow=1')) stream(call, response);
    else response.end(JSON.stringify([event(1, 'one'), event(2, 'two')]));
  });
  const cli = CliProcess.onPipes(['events', '--follow', '--session', '12', '--json', '--socket', daemon.socket]);
  await daemon.followed();
  daemon.send('audit', event(2, 'two'), 2);
  daemon.send('audit', event(3, 'three'), 3);
  await cli.printed('three');
  cli.child.kill('SIGINT');
  assert.equal(await cli.ended, 130);
  const texts = cli.out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text);
  assert.deepEqual(texts, ['one', 'two', 'three']);
  assert.equal(daemon.calls[1]?.headers['last-event-id'], '2');
});

/** A watch of session 12 that the daemon's stream has. */
async function watching(t: TestContext, how?: '--json' | 'terminal') {
  const daemon = await FakeDaemon.start(t);
  daemon.onStream();
  const args = ['session', 'watch', '12', '--socket', daemon.socket];
  const cli =
    how === 'terminal'
      ? CliProcess.onTerminal(args, { columns: 100, rows: 30 })
      : CliProcess.onPipes(how === undefined ? args : [...args, how]);
  t.after(() => cli.child.kill('SIGKILL'));
  await daemon.followed();
  return { daemon, cli };
}
