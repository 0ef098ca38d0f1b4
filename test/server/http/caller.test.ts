import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { listenOnSocket } from '#server/http/admin-socket.ts';
import { makeApp } from '#server/http/app.ts';
import { noteCallers } from '#server/http/caller.ts';
import { presentActor } from '#server/inventory/actor.ts';
import { silentLogger } from '#system/log.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root, to be somebody else';
/** A user id that has no entry in passwd(5). */
const STRANGER = 3_999_999_999;

/** Makes a call as that user, who states a name or none, and answers on whose behalf the daemon did it. */
async function makeCaller(t: TestContext): Promise<(uid: number, stated?: string) => Promise<string>> {
  const app = makeApp(silentLogger);
  t.after(() => app.close());
  noteCallers(app);
  app.get('/actor', async () => presentActor() ?? 'nobody at all');
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  const path = join(folder, 'admin.sock');
  await listenOnSocket(app, path);
  chmodSync(path, 0o666);
  return async (uid, stated) => {
    const header = stated === undefined ? [] : ['--header', `x-fleetcast-user: ${stated}`];
    const curl = ['curl', '--silent', '--unix-socket', path, ...header, 'http://fleetcast/actor'];
    const { stdout } = await run(['setpriv', `--reuid=${uid}`, '--clear-groups', ...curl]);
    return stdout;
  };
}

test('root is believed whom it speaks for', { skip }, async (t) => {
  const call = await makeCaller(t);
  assert.equal(await call(0, 'anna'), 'anna');
  assert.equal(await call(0), 'admin');
});

test('anybody else is who the kernel says, whatever they state', { skip }, async (t) => {
  const call = await makeCaller(t);
  const { stdout } = await run(['id', '--user', 'nobody']);
  assert.equal(await call(Number(stdout), 'anna'), 'nobody');
  assert.equal(await call(Number(stdout)), 'nobody');
  assert.equal(await call(STRANGER, 'anna'), `uid ${STRANGER}`);
});
