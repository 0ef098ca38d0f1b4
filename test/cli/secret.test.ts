import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { NewSecret } from '#protocol/admin/secret-api.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';

/** Adds a secret in each way; answers what the daemon got, as text, and what was said. */
async function adding(t: TestContext) {
  const daemon = await FakeDaemon.start(t);
  daemon.on('POST /secrets', 'secret', ({ body }) => ({
    name: (body as NewSecret).name,
    createdAtMs: 0,
    chosenBy: [],
  }));
  return async (args: readonly string[], input?: string) => {
    const result = await runCli(['--socket', daemon.socket, 'secret', 'add', 'room', ...args], input);
    const sent = daemon.calls.at(-1)?.body as NewSecret | undefined;
    return { ...result, sent: sent && Buffer.from(sent.content, 'base64').toString('latin1') };
  };
}

test('a passphrase is the one line of a file or of standard input, and is not said again', async (t) => {
  const add = await adding(t);
  const folder = mkdtempSync(join(tmpdir(), 'fc-secret-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'passphrase');
  for (const text of ['open sesame', 'open sesame\n', 'open sesame\r\n']) {
    writeFileSync(file, text);
    for (const result of [await add(['--from-file', file]), await add(['--from-file', '-', '--json'], text)]) {
      assert.equal(result.code, 0, result.err);
      assert.equal(result.sent, 'open sesame');
      assert.doesNotMatch(result.out + result.err, /sesame/);
    }
  }
});

test('a key file is taken byte for byte', async (t) => {
  const add = await adding(t);
  const { code, sent } = await add(['--from-file', '-', '--key-file'], 'two\nlines\n');
  assert.equal(code, 0);
  assert.equal(sent, 'two\nlines\n');
});

test('what is no line of text, or not there, is refused before anything is sent', async (t) => {
  const add = await adding(t);
  for (const [input, problem] of [
    ['', /empty/],
    ['\n', /empty/],
    ['two\nlines\n', /--key-file/],
    ['nul\0', /--key-file/],
  ] as const) {
    const { code, err, sent } = await add(['--from-file', '-'], input);
    assert.equal(code, 2);
    assert.match(err, problem);
    assert.equal(sent, undefined);
  }
  const missing = await add(['--from-file', '/nowhere/at/all']);
  assert.equal(missing.code, 2);
  assert.match(missing.err, /cannot be read \(ENOENT\)/);
  assert.equal((await add([])).code, 2);
});
