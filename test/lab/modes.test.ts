import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLinkFault } from '#lab/lossy-link.ts';
import { noLab } from './lab-turn.ts';
import { Road } from './road.ts';

const hosts = ['pc-1', 'pc-2'];

test('a session reaches its hosts by broadcast past a deaf port, by HTTP alone, and with a share of a capped interface', {
  skip: noLab,
}, async (t) => {
  const moreConfig = '\n[cast]\ninterface_mbit = 30\n';
  const road = await Road.build(t, { hosts, images: ['one'], usedMiB: 8, linkMbit: 40, moreConfig });
  const onlyFrom = async (kind: 'castBytes' | 'httpBytes', more: readonly string[]) => {
    const session = await road.untilCompleted(
      await road.deploy('one', hosts, [...more, '--delta', 'never', '--on-done', 'stay']),
    );
    const none = kind === 'castBytes' ? 'httpBytes' : 'castBytes';
    for (const { host, deployResult } of session.tasks)
      assert.equal(deployResult![none], 0, `${host} ${more.join(' ')}`);
    await road.assertDeployed('one', hosts);
  };
  await t.test('multicast, held to its share of the interface', () => onlyFrom('castBytes', ['--weight', '3']));
  await t.test('unicast is HTTP and no cast', () => onlyFrom('httpBytes', ['--mode', 'unicast']));
  await setLinkFault(road.lab.topology, road.lab.host('pc-2'), { multicastLoss: 1 });
  await t.test('broadcast does not need what the switch does with groups', () =>
    onlyFrom('castBytes', ['--mode', 'broadcast']),
  );
});
