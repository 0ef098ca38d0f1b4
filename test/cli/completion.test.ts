import assert from 'node:assert/strict';
import { delimiter } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '#system/run.ts';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';
import { host } from './sample-views.ts';

const bin = fileURLToPath(new URL('../../bin', import.meta.url));
const script = `
PATH=${bin}${delimiter}$PATH
source <(fleetcast completion bash)
COMP_LINE=$1 COMP_POINT=\${#1}
_fleetcast
printf '%s\\n' "\${COMPREPLY[@]}"
`;

async function completeInBash(line: string): Promise<string[]> {
  const { stdout } = await run(['bash', '-c', script, 'bash', line]);
  return stdout.trimEnd().split('\n');
}

test('in bash, commands, values after an equals sign, names and paths are completed', async (t) => {
  const daemon = await FakeDaemon.start(t);
  daemon.on('GET /hosts', 'hosts', () => [host('pc-01'), host('pc-02')]);
  assert.deepEqual(await completeInBash('fleetcast host a'), ['add', 'approve']);
  assert.deepEqual(await completeInBash('fleetcast deploy x --mode=u'), ['unicast']);
  assert.deepEqual(await completeInBash(`fleetcast --socket ${daemon.socket} host show `), ['pc-01', 'pc-02']);
  assert.deepEqual(await completeInBash(`fleetcast host import ${bin}/fleetc`), [`${bin}/fleetcast`]);
});

test('each shell has its script', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    assert.match((await runCli(['completion', shell])).out, /__complete --/);
  }
});
