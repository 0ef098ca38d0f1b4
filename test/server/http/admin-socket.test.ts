import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { claimSocket, listenOnSocket } from '#server/http/admin-socket.ts';
import { makeApp } from '#server/http/app.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

function makeFolder(t: TestContext): string {
  const folder = tempFolder(t);
  return folder;
}

test('the folder of the socket is made, and owner and group may open it', async (t) => {
  const path = join(makeFolder(t), 'run', 'admin.sock');
  await claimSocket(path);
  const app = makeApp(silentLogger);
  t.after(() => app.close());
  await listenOnSocket(app, path);
  assert.equal(statSync(path).mode & 0o777, 0o660);
});

test('the socket of a live daemon is refused and goes on answering', async (t) => {
  const path = join(makeFolder(t), 'admin.sock');
  const live = createServer().listen(path);
  t.after(() => live.close());
  await new Promise((resolve) => live.once('listening', resolve));
  await assert.rejects(claimSocket(path), { code: 'SOCKET_TAKEN', message: `A daemon already answers on ${path}` });
  const app = makeApp(silentLogger);
  t.after(() => app.close());
  await assert.rejects(listenOnSocket(app, path), { code: 'SOCKET_TAKEN' });
  assert.ok(existsSync(path));
});

test('the socket of a dead daemon is removed', async (t) => {
  const path = join(makeFolder(t), 'admin.sock');
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await run([process.execPath, '-e', program], { okCodes: [-1, 137] });
  assert.ok(statSync(path).isSocket());
  await claimSocket(path);
  assert.ok(!existsSync(path));
});

test('a file that is no socket is left alone', async (t) => {
  const path = join(makeFolder(t), 'admin.sock');
  writeFileSync(path, 'precious');
  await assert.rejects(claimSocket(path), { code: 'CONFIG_BAD_VALUE' });
  assert.ok(existsSync(path));
});
