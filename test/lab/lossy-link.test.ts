import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { Lab } from '#lab/lab.ts';
import { setLinkFault } from '#lab/lossy-link.ts';
import { inNamespace } from '#lab/network.ts';
import { noLab, takeLabTurn } from './lab-turn.ts';

const COUNT = 4000;

test('a lossy link loses the share of the packets that is asked for, to this host alone', {
  skip: noLab,
}, async (t) => {
  await takeLabTurn(t);
  const lab = await Lab.create({ hosts: ['good', 'bad'], linkMbit: 1000, diskBytes: 1 << 20 });
  t.after(() => lab.takeDown());
  const [good, bad] = [lab.host('good'), lab.host('bad')];
  await setLinkFault(lab.topology, bad, { loss: 0.2 });
  const heard = async (address: string): Promise<number> => {
    const argv = ['ping', '-q', '-i', '0.002', '-c', String(COUNT), '-W', '1', address];
    const [program, ...args] = inNamespace(lab.topology.serverNamespace, argv) as [string, ...string[]];
    const { stdout } = await execa(program, args, { reject: false });
    return Number(/(\d+) received/.exec(stdout)![1]);
  };
  assert.equal(await heard(good.address), COUNT);
  const share = 1 - (await heard(bad.address)) / COUNT;
  assert.ok(share > 0.15 && share < 0.25, `lost ${share}`);
  await setLinkFault(lab.topology, bad, {});
  assert.equal(await heard(bad.address), COUNT);
});
