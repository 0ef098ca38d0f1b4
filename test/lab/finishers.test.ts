import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { planGoldenDisk } from '#lab/golden-disk.ts';
import type { SessionReport } from '#protocol/admin/receipt-api.ts';
import { run } from '#system/run.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const USED_MIB = 16;
const { startBytes } = planGoldenDisk(USED_MIB, 1).partitions.root;

test('deployed machines get names of their own, by finishers of image, group and session', {
  skip: noLab,
}, async (t) => {
  const hosts = ['pc-1', 'pc-2'];
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: USED_MIB, linkMbit: 100 });
  const rootOf = (host: string) => `${road.lab.diskOf(road.lab.host(host))}?offset=${startBytes}`;
  const read = async (host: string, name: string) =>
    (await run(['debugfs', '-R', `cat ${name}`, rootOf(host)])).stdout.trim();
  const file = (name: string, text: string) => {
    const path = join(road.lab.folder.path, name);
    writeFileSync(path, text);
    chmodSync(path, 0o644);
    return path;
  };
  // The golden machine becomes a Linux.
  const commands = ['mkdir etc', `write ${file('hostname', 'golden\n')} etc/hostname`];
  commands.push(
    `write ${file('os-release', 'NAME=Lab\n')} etc/os-release`,
    `write ${file('id', 'abc\n')} etc/machine-id`,
  );
  await run(['debugfs', '-w', '-f', '-', rootOf('golden-one')], { input: `${commands.join('\n')}\n` });
  await road.cli(['capture', 'golden-one', '--as', 'linux']);
  const script = file('own.sh', '#!/bin/sh\necho "for $FLEETCAST_HOSTNAME"\ntest "$FLEETCAST_N" != 2\n');
  await road.cli(['finisher', 'add', 'own', script, '--on-error', 'warn', '--time-limit', '30s']);
  const all = ['--on-done', 'stay'];

  await t.test('what the image chooses runs on every host', async () => {
    await road.cli(['image', 'set', 'linux', '--finishers', 'machine-id,hostname']);
    await road.untilCompleted(await road.deploy('linux', hosts, all));
    assert.deepEqual(await Promise.all(hosts.map((host) => read(host, 'etc/hostname'))), hosts);
    assert.equal(await read('pc-1', 'etc/machine-id'), '');
  });

  await t.test('a session chooses others; one that only warns is told with its words, per host', async () => {
    const chosen = ['--finishers', 'own,hostname', '--hostname', 'lab-{{n:2}}'];
    const sessionId = await road.deploy('linux', hosts, [...all, ...chosen]);
    await road.untilCompleted(sessionId);
    assert.deepEqual(await Promise.all(hosts.map((host) => read(host, 'etc/hostname'))), ['lab-01', 'lab-02']);
    assert.equal(await read('pc-1', 'etc/machine-id'), 'abc');
    const printed = await road.cli(['session', 'report', String(sessionId)]);
    assert.match(printed, /Finishers on pc-1, all done:\n {2}own: done in .*\n {6}for lab-01\n {2}hostname: done/);
    assert.match(
      printed,
      /Finishers on pc-2, WARNING: own failed:\n {2}own: warned .*\n {6}for lab-02\n {6}failed: exit code 1/,
    );
    assert.match(await road.cli(['session', 'show', String(sessionId)]), /Finishers on pc-2, WARNING/);
    const report = JSON.parse(await road.cli(['--json', 'session', 'report', String(sessionId)])) as SessionReport;
    assert.deepEqual(
      report.receipts.map(({ finishers }) => finishers?.map(({ name, outcome }) => [name, outcome])),
      [
        [
          ['own', 'done'],
          ['hostname', 'done'],
        ],
        [
          ['own', 'warned'],
          ['hostname', 'done'],
        ],
      ],
    );
  });

  await t.test('one that must not fail fails its host alone, whose disk does not boot', async () => {
    await road.cli(['finisher', 'remove', 'own']);
    await road.cli(['finisher', 'add', 'own', script, '--on-error', 'fail']);
    const sessionId = await road.deploy('linux', hosts, [...all, '--finishers', 'hostname,own']);
    const session = await road.until(sessionId, 'ended', ({ state }) => state === 'completed');
    const failed = session.tasks.find(({ host }) => host === 'pc-2')!;
    assert.deepEqual([session.succeeded, session.failed, failed.error?.code], [1, 1, 'FINISHER_FAILED']);
    assert.match(failed.error!.message, /pc-2: the finisher own failed: exit code 1: for pc-2/);
    const report = JSON.parse(await road.cli(['--json', 'session', 'report', String(sessionId)])) as SessionReport;
    const [hostname, own] = report.receipts.find(({ host }) => host === 'pc-2')!.finishers!;
    assert.match(hostname!.log, /pc-2/, 'what ran before is kept too');
    assert.deepEqual([hostname!.outcome, own!.outcome], ['done', 'failed']);
    assert.match(own!.log, /for pc-2\nfailed: exit code 1/);
    const table = await run(['sfdisk', '--dump', road.lab.diskOf(road.lab.host('pc-2'))], { okCodes: [0, 1] });
    assert.match(table.stderr, /does not contain a recognized partition table/);
  });
});
