import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { problemOfHive, registryFile, setComputerName, windowsNameFrom } from '#agent/finishers/computer-name.ts';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { tempFolder } from '#test/temp-folder.ts';
import { makeSystemHive, readHive } from './hive.ts';

/** Windows writes its folders so; a restored NTFS may have them in any case. */
const CONFIG = 'Windows/system32/Config';

async function windows(t: TestContext) {
  const root = tempFolder(t);
  mkdirSync(join(root, CONFIG), { recursive: true });
  const hive = join(root, CONFIG, 'SYSTEM');
  await makeSystemHive(hive);
  const said: string[] = [];
  const name = (hostname: string) =>
    setComputerName({
      system: { kind: 'windows', root },
      values: { hostname },
      signal: new AbortController().signal,
      say: (line: string) => void said.push(line),
    } as unknown as FinisherContext);
  return { hive, said, name };
}

test('a Windows gets its name in the registry, and the values beside it stay', async (t) => {
  const { hive, said, name } = await windows(t);
  await name('pc-07-with-a-long-name');
  assert.deepEqual(said, ['GOLDEN is now PC-07-WITH-A-LO (ControlSet001)']);
  assert.match(await readHive(hive, '\\ControlSet001\\Control\\ComputerName\\ComputerName'), /"PC-07-WITH-A-LO"/);
  const tcpip = await readHive(hive, '\\ControlSet001\\Services\\Tcpip\\Parameters');
  for (const line of [
    '"Hostname"="pc-07-with-a-long-name"',
    '"NV Hostname"="pc-07-with-a-long-name"',
    '"Domain"="lab.example"',
  ]) {
    assert.ok(tcpip.includes(line), tcpip);
  }
  assert.equal(problemOfHive(readFileSync(hive)), undefined);
  await name('pc-07-with-a-long-name');
  await name('x');
  assert.match(await readHive(hive, '\\ControlSet001\\Control\\ComputerName\\ComputerName'), /"X"/);
});

test('a hive that Windows has not closed is left alone', async (t) => {
  const { hive, name } = await windows(t);
  const bytes = readFileSync(hive);
  bytes.writeUInt32LE(bytes.readUInt32LE(4) + 1, 4);
  writeFileSync(hive, bytes);
  await assert.rejects(name('pc-1'), /was not closed: shut Windows down for good/);
  assert.ok(readFileSync(hive).equals(bytes));
});

test('names are made to fit Windows', () => {
  assert.deepEqual(windowsNameFrom('Lab 1.example.org'), { computer: 'LAB-1', host: 'lab-1' });
  assert.throws(() => windowsNameFrom('12345'), /digits alone/);
  assert.match(
    registryFile(['ControlSet002'], windowsNameFrom('a')),
    /\[HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet002\\Control/,
  );
});
