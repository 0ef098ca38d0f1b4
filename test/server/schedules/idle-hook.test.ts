import assert from 'node:assert/strict';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askIdle, findHook } from '#server/schedules/idle-hook.ts';
import { tempFolder } from '#test/temp-folder.ts';

function makeFolder(t: TestContext, hooks: Record<string, string>): string {
  const folder = tempFolder(t);
  for (const [name, text] of Object.entries(hooks))
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return folder;
}

const hosts = ['pc-01', 'pc-02'].map((name) => ({ name, address: '10.0.0.1', mac: '52:54:00:00:00:01' }));
const ask = (folder: string, hook: string, limitMs = 60_000) =>
  askIdle(hosts, { folder, hook, limitMs, signal: new AbortController().signal });

test('the hook gets name, address and MAC, and its exit code says who is idle', async (t) => {
  const folder = makeFolder(t, {
    who: '[ "$1 $2 $3" = "pc-01 10.0.0.1 52:54:00:00:00:01" ] && exit 0; echo alice; exit 1',
  });
  assert.deepEqual([...(await ask(folder, 'who'))], [['pc-02', 'it is in use: alice']]);
});

test('a hook that says nothing, or does not answer in time, protects its host', async (t) => {
  const folder = makeFolder(t, { no: 'exit 3', slow: 'exec sleep 600' });
  assert.equal((await ask(folder, 'no')).get('pc-01'), 'it is in use, says no');
  assert.match((await ask(folder, 'slow', 50)).get('pc-02')!, /slow gave no answer: .*too long/);
});

test('only a program of the folder that nobody else may write is run', async (t) => {
  const folder = makeFolder(t, { good: 'exit 0', open: 'exit 0', plain: 'exit 0' });
  chmodSync(join(folder, 'open'), 0o777);
  chmodSync(join(folder, 'plain'), 0o644);
  symlinkSync('/bin/true', join(folder, 'link'));
  assert.equal(await findHook(folder, 'good'), join(folder, 'good'));
  const refused = { code: 'HOOK_MISSING' };
  for (const hook of ['open', 'plain', 'link', 'absent', '../good', '/bin/true', '.']) {
    await assert.rejects(findHook(folder, hook), refused, hook);
  }
  await assert.rejects(findHook(join(folder, 'nowhere'), 'good'), refused);
});
