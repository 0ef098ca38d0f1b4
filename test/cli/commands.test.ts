import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GroupView } from '#protocol/admin/group-api.ts';
import { knownError } from '#protocol/errors.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { CliProcess, runCli } from './run-cli.ts';
import { event, host, image, session, status, succeeded, T0, task } from './sample-views.ts';

test('a table is for people, --json is for programs, before or after the command', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const hosts = [host('pc-01', { presence: 'agent', session: 12 }), host('pc-02', { approval: 'pending', groups: [] })];
  daemon.on('GET /hosts', 'hosts', () => hosts);
  const people = await runCli(['host', 'list', '--socket', daemon.socket]);
  assert.equal(people.code, 0);
  assert.deepEqual(people.out.split('\n').slice(0, 3), [
    'HOST   APPROVAL  NOW    SESSION  LAST SEEN  GROUPS    MACS               MACHINE',
    'pc-01  approved  agent  12       never      room-101  52:54:00:00:00:01  -',
    'pc-02  pending   away   -        never      -         52:54:00:00:00:01  -',
  ]);
  for (const args of [
    ['--json', '--socket', daemon.socket, 'host', 'list'],
    ['host', '--socket', daemon.socket, 'list', '--json'],
  ]) {
    const programs = await runCli(args);
    assert.deepEqual(JSON.parse(programs.out), hosts);
    assert.equal(programs.err, '');
  }
});

test('an error of the daemon is told with its next step and its exit code; as JSON on stderr', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.onRaw('GET /hosts/nobody', () => {
    throw knownError('HOST_UNKNOWN', { host: 'nobody' });
  });
  const args = ['host', 'show', 'nobody', '--socket', daemon.socket];
  assert.deepEqual(await runCli(args), {
    code: 2,
    out: '',
    err: 'fleetcast: There is no host nobody\n  Next: fleetcast host list\n',
  });
  const json = await runCli([...args, '--json']);
  assert.equal(json.out, '');
  assert.deepEqual(JSON.parse(json.err), { error: knownError('HOST_UNKNOWN', { host: 'nobody' }).toBody() });
});

test('without a daemon the exit code is 10, and the words say what is wrong with the socket', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'fc-cli-'));
  t.after(() => rm(dir, { recursive: true }));
  const missing = await runCli(['status', '--socket', join(dir, 'none')]);
  assert.equal(missing.code, 10);
  assert.match(missing.err, /No daemon answers on .*none: there is no such socket/);
  await writeFile(join(dir, 'file'), '');
  const file = await runCli(['status', '--socket', join(dir, 'file')]);
  assert.equal(file.code, 10);
});

test('a socket that one may not open is a denial', async (t) => {
  const daemon = await FakeDaemon.start(t);
  await chmod(daemon.socket, 0);
  // Root may open every socket.
  const nobody = process.getuid?.() === 0 ? { uid: 65534 } : {};
  const cli = CliProcess.onPipes(['status', '--socket', daemon.socket], nobody);
  assert.equal(await cli.ended, 12);
  assert.match(cli.err, /Not allowed: no permission to use the socket/);
});

test('an answer of another shape is named, not shown', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.onRaw('GET /status', (_call, response) => void response.end('{"version":1}'));
  const result = await runCli(['status', '--socket', daemon.socket]);
  assert.equal(result.code, 1);
  assert.match(result.err, /gave an answer that this fleetcast does not understand: /);
  daemon.onRaw('GET /status', (_call, response) => void response.writeHead(502).end('<html>'));
  assert.match((await runCli(['status', '--socket', daemon.socket])).err, /HTTP status 502/);
});

test('a daemon that dies in the middle of an answer is unreachable', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'fc-cli-'));
  const socket = join(dir, 's');
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"ver', () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(async () => {
    server.close();
    await rm(dir, { recursive: true });
  });
  assert.equal((await runCli(['status', '--socket', socket])).code, 10);
});

test('what cannot be meant is a usage error that names the nearest word', async () => {
  const cases: [string[], RegExp][] = [
    [['hots'], /unknown command 'hots' \(Did you mean host\?\)\n {2}Next: See: fleetcast --help/],
    [['session', 'wacth'], /Did you mean watch\?\)\n {2}Next: See: fleetcast session --help/],
    [['host', 'list', '--jsn'], /Did you mean --json\?\)\n {2}Next: See: fleetcast host list --help/],
    [['host'], /fleetcast host needs a command: list, show/],
    [['host', 'approve'], /Name hosts, or give --all/],
    [['session', 'show', '0'], /0 is not the id of a session/],
    [['session', 'list', '--limit', 'x'], /--limit x is not a count/],
    [['capture', 'pc-1'], /required option '--as <image>' not specified/],
    [['host', 'import', '/nonexistent.csv'], /\/nonexistent\.csv cannot be read/],
    [['status', 'extra'], /too many arguments/],
  ];
  for (const [args, wanted] of cases) {
    const result = await runCli(args);
    assert.equal(result.code, 2, args.join(' '));
    assert.match(result.err, wanted);
    assert.equal(result.out, '');
  }
});

test('help and version go to stdout with exit code 0', async () => {
  const help = await runCli(['deploy', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.out, /Example:\n {2}fleetcast deploy/);
  assert.equal((await runCli([])).code, 0);
  assert.match((await runCli(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
});

test('names are escaped on their way to the daemon', async (t) => {
  const daemon = await FakeDaemon.start(t);
  await runCli(['host', 'show', '../../x?y', '--socket', daemon.socket]);
  assert.equal(daemon.calls[0]?.path, '/hosts/..%2F..%2Fx%3Fy');
});

test('approve --all approves what is pending, and says so when nothing is', async (t) => {
  const daemon = await FakeDaemon.start(t);
  let hosts = [host('pc-01'), host('pc-02', { approval: 'pending' })];
  daemon.on('GET /hosts', 'hosts', () => hosts).on('POST /hosts/pc-02/approve', 'host', () => host('pc-02'));
  const args = ['host', 'approve', '--all', '--socket', daemon.socket];
  assert.equal((await runCli(args)).out, 'Host pc-02 approved.\n');
  hosts = [host('pc-01')];
  assert.equal((await runCli(args)).out, 'No host is pending.\n');
  assert.equal((await runCli([...args, '--json'])).out, '[]\n');
});

test('hosts are added with their MACs and groups, imported from stdin, renamed and removed', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon
    .on('POST /hosts', 'host', () => host('pc-01'))
    .on('POST /hosts/import', 'import', () => ({ added: 2, updated: 0, unchanged: 1, hosts: [] }))
    .on('POST /hosts/pc-01/rename', 'host', () => host('pc-09'))
    .on('DELETE /hosts/pc-01', 'nothing', () => undefined);
  const at = ['--socket', daemon.socket];
  await runCli(['host', 'add', 'pc-01', 'aa:bb:cc:dd:ee:01', 'aa:bb:cc:dd:ee:02', '-g', 'a,b', ...at]);
  const imported = await runCli(['host', 'import', '-', ...at], 'pc-01,52:54:00:00:00:01\n');
  assert.equal(imported.out, '2 hosts added, 0 changed, 1 known already.\n');
  assert.equal((await runCli(['host', 'rename', 'pc-01', 'pc-09', ...at])).out, 'Host pc-01 is now pc-09.\n');
  assert.equal((await runCli(['host', 'remove', 'pc-01', ...at])).out, 'Host pc-01 removed.\n');
  assert.deepEqual(
    daemon.calls.map((call) => call.body),
    [
      { name: 'pc-01', macs: ['aa:bb:cc:dd:ee:01', 'aa:bb:cc:dd:ee:02'], groups: ['a', 'b'] },
      { csv: 'pc-01,52:54:00:00:00:01\n' },
      { name: 'pc-09' },
      undefined,
    ],
  );
});

test('groups are made with hosts, changed, listed and deleted', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const room: GroupView = { name: 'room', hosts: ['pc-01', 'pc-02'] };
  daemon
    .on('GET /groups', 'groups', () => [room])
    .on('POST /groups', 'group', () => ({ name: 'room', hosts: [] }))
    .on('POST /groups/room/add', 'group', () => room)
    .on('POST /groups/room/remove', 'group', () => room)
    .on('POST /groups/room/luks-secrets', 'luksChoice', ({ body }) => ({
      of: 'group room',
      ...(body as { luksSecrets: string[] | null }),
    }))
    .on('DELETE /groups/room', 'nothing', () => undefined);
  const at = ['--socket', daemon.socket];
  assert.equal((await runCli(['group', 'create', 'room', 'pc-01', 'pc-02', ...at])).out, 'Group room made, 2 hosts.\n');
  assert.equal((await runCli(['group', 'remove', 'room', 'pc-03', ...at])).out, 'Group room has 2 hosts now.\n');
  assert.equal((await runCli(['group', 'show', 'room', ...at])).out, 'pc-01\npc-02\n');
  room.luksSecrets = ['room-101'];
  const shown = 'pc-01\npc-02\n\nLUKS secrets:  room-101\n';
  assert.equal((await runCli(['group', 'show', 'room', ...at])).out, shown);
  const secret = ['group', 'set', 'room', '--luks-secret'];
  assert.equal(
    (await runCli([...secret, 'room-101', ...at])).out,
    'The group room chooses what opens LUKS containers: room-101.\n',
  );
  assert.equal((await runCli([...secret, 'room-101', '--disk', 'order=1', ...at])).code, 2);
  assert.equal(
    (await runCli(['group', 'set', 'room', '--unset-luks-secret', ...at])).out,
    'The group room says nothing of its own now.\n',
  );
  assert.equal((await runCli(['group', 'show', 'attic', ...at])).code, 2);
  assert.equal((await runCli(['group', 'delete', 'room', ...at])).out, 'Group room deleted.\n');
});

test('an image is removed only after yes or --yes', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('DELETE /images/win11-lab%402', 'nothing', () => undefined);
  const args = ['image', 'remove', 'win11-lab@2', '--socket', daemon.socket];
  const refused = await runCli(args);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /give --yes/);
  assert.equal(daemon.calls.length, 0);
  assert.equal((await runCli([...args, '--yes'])).code, 0);
});

test('verify says that all is good, or names each damaged chunk and ends with 11', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const line = {
    checkedChunks: 10,
    totalChunks: 10,
    checkedBytes: 2_621_440,
    bad: [] as string[],
    badCount: 0,
    done: true,
  };
  let lines = [{ ...line, checkedChunks: 5, done: false }, line];
  daemon.onRaw('POST /store/verify', (_call, response) => {
    response.end(lines.map((one) => `${JSON.stringify(one)}\n`).join(''));
  });
  const args = ['image', 'verify', '--socket', daemon.socket];
  assert.deepEqual(await runCli(args), {
    code: 0,
    out: '10 chunks (2.6 MB) read and checked: all are good.\n',
    err: '',
  });
  lines = [{ ...line, bad: ['abcd: hash differs'], badCount: 1 }];
  const bad = await runCli(args);
  assert.equal(bad.code, 11);
  assert.equal(bad.out, 'abcd: hash differs\n');
  lines = [{ ...line, done: false }];
  assert.equal((await runCli(args)).code, 10, 'a check that stops half way is no good result');
});

test('images, sessions, events and the status read as tables and lines', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const view = session('completed', [succeeded('pc-01'), task('pc-02', 'failed')], { endedAtMs: T0 + 310_000 });
  daemon
    .on('GET /images', 'images', () => [image])
    .on('GET /images/win11-lab', 'image', () => image)
    .on('GET /sessions', 'sessions', () => [view])
    .on('GET /sessions/12', 'session', () => view)
    .on('GET /events', 'events', () => [event(1, 'pc-01 was woken', { host: 'pc-01' })])
    .on('GET /status', 'status', () => status)
    .on('POST /store/prune', 'prune', () => ({
      ...{ dryRun: true, removedChunks: 4, removedPacks: 1, rewrittenPacks: 0, freedBytes: 1_000_000 },
    }));
  const read = async (...args: string[]) => (await runCli([...args, '--socket', daemon.socket])).out;
  assert.match(await read('image', 'list'), /^win11-lab +@3 +1 +\S+ \S+ +pc-01 +256\.1 GB +41\.0 GB +13\.0 GB$/m);
  assert.match(await read('image', 'show', 'win11-lab'), /@3 +.*160,000/);
  assert.match(await read('session', 'list'), /^ +12 +deploy|^12 +deploy +win11-lab@3 +completed +2 +1 +1 .* 5m10s$/m);
  assert.match(await read('session', 'show', '12'), /Result: +not every host succeeded/);
  assert.match(await read('events'), /session 12 {2}pc-01 was woken$/m);
  assert.match(await read('status'), /Agents call: +http:\/\/10\.0\.0\.1:8470/);
  assert.equal(await read('image', 'prune', '--dry-run'), 'Would remove 4 chunks in 1 pack and free 1.0 MB.\n');
});

test('completion offers the names that the daemon knows, and nothing without one', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('GET /hosts', 'hosts', () => [host('pc-01'), host('pc-02'), host('laptop')]);
  const words = ['deploy', 'x', '--hosts', 'laptop,pc'];
  for (const args of [
    ['--socket', daemon.socket, '__complete', '--', ...words],
    ['__complete', '--', '--socket', daemon.socket, ...words],
    ['__complete', '--', `--socket=${daemon.socket}`, ...words],
  ]) {
    assert.equal((await runCli(args)).out, 'laptop,pc-01\nlaptop,pc-02\n');
  }
  const without = await runCli(['--socket', '/nonexistent', '__complete', '--', ...words]);
  assert.deepEqual(without, { code: 0, out: '', err: '' });
});

test('a reader that goes away ends the command quietly', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('GET /hosts', 'hosts', () => Array.from({ length: 5000 }, (_, i) => host(`pc-${i}`)));
  const cli = CliProcess.onPipes(['host', 'list', '--json', '--socket', daemon.socket]);
  cli.child.stdout.destroy();
  assert.equal(await cli.ended, 141);
  assert.equal(cli.err, '');
});

test('every call says who makes it, and the audit log can be asked for one actor', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('GET /events', 'events', () => [event(1, 'pc-01 was added', { actor: 'anna' })]);
  const result = await runCli(['--socket', daemon.socket, 'events', '--actor', 'anna']);
  assert.match(result.out, /pc-01 was added {2}\(anna\)$/m);
  assert.match(daemon.calls[0]!.path, /[?&]actor=anna(&|$)/);
  assert.match(String(daemon.calls[0]!.headers['x-fleetcast-user']), /^\S/);
});
