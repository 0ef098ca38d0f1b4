/** The CLI against the real daemon, on the loopback interface. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliProcess, runCli } from './run-cli.ts';

test('serve runs the daemon in the foreground, commands reach it, SIGTERM ends it with 0', async (t) => {
  const { daemon, at, serve } = await served(t);
  const run = async (...args: string[]) => await runCli([...args, ...at]);

  const status = JSON.parse((await run('status', '--json')).out);
  assert.equal(status.pid, daemon.child.pid, 'the daemon is the very process that was started');
  assert.equal((await run('host', 'add', 'pc-01', '52:54:00:00:00:01')).code, 0);
  assert.equal((await run('host', 'add', 'pc-01', '52:54:00:00:00:02')).code, 11);
  assert.equal((await run('group', 'create', 'room', 'pc-01')).out, 'Group room made, 1 host.\n');
  assert.match((await run('host', 'list')).out, /^pc-01 +approved +away .* room /m);
  assert.match((await run('events')).out, /pc-01 was added/);
  assert.equal((await run('image', 'list')).out, 'There is no image. Capture one: fleetcast capture HOST --as NAME\n');
  assert.equal((await run('deploy', 'none', '-g', 'room', '--dry-run')).code, 2);
  assert.equal((await run('capture', 'pc-01', '--as', 'golden')).code, 11);
  assert.equal((await run('session', 'watch', '1')).code, 2);
  assert.equal(JSON.parse((await run('openapi')).out).info.title, 'fleetcast admin API');
  assert.equal((await runCli(['__complete', '--', ...at, 'host', 'show', 'p'])).out, 'pc-01\n');

  const second = serve();
  assert.equal(await second.ended, 11);
  assert.match(second.err, /A daemon already answers/);

  daemon.child.kill('SIGTERM');
  assert.equal(await daemon.ended, 0);
  assert.equal((await run('status')).code, 10);
});

test('events are followed across a kill of the daemon', async (t) => {
  const { daemon, at, serve } = await served(t);
  const cli = CliProcess.onPipes(['events', '--follow', ...at]);
  t.after(() => cli.child.kill('SIGKILL'));
  await cli.printed('started, agents on');
  // Only an event of the stream proves that it is followed.
  await runCli(['group', 'create', 'one', ...at]);
  await cli.printed('The group one was made');
  daemon.child.kill('SIGKILL');
  await cli.printed('the daemon is away, waiting…');
  const again = serve();
  await again.printed('fleetcast is ready');
  await cli.printed('the daemon is back');
  await runCli(['group', 'create', 'two', ...at]);
  await cli.printed('The group two was made');
  cli.child.kill('SIGINT');
  assert.equal(await cli.ended, 130);
});

test('config check tells what is wrong in a config file with exit code 2', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'fc-cli-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'fleetcast.toml');
  await writeFile(path, '[network]\nagent_prot = 8470\n');
  const bad = CliProcess.onPipes(['config', 'check', '--config', path]);
  assert.equal(await bad.ended, 2);
  assert.match(bad.err, /Unknown key network\.agent_prot .*\n {2}Next: Did you mean network\.agent_port\?/);
  await writeFile(path, '[network]\nagent_port = 8471\n');
  const good = CliProcess.onPipes(['config', 'check', '-c', path]);
  assert.equal(await good.ended, 0);
});

/** A daemon of its own folder and port. */
async function served(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'fc-cli-'));
  const started: CliProcess[] = [];
  t.after(async () => {
    for (const one of started) one.child.kill('SIGKILL');
    await Promise.all(started.map((one) => one.ended));
    await rm(dir, { recursive: true, force: true });
  });
  const port = await freePort();
  const at = ['--socket', join(dir, 'admin.sock')];
  const config = join(dir, 'fleetcast.toml');
  await writeFile(config, '[boot]\ndhcp = "off"\ntftp = "off"\n');
  const serve = () => {
    const flags = [
      '--config',
      config,
      '--data-dir',
      join(dir, 'data'),
      '--interface',
      'lo',
      '--agent-port',
      String(port),
    ];
    const one = CliProcess.onPipes(['serve', ...flags, ...at]);
    started.push(one);
    return one;
  };
  const daemon = serve();
  await daemon.printed('fleetcast is ready');
  return { daemon, at, serve };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
