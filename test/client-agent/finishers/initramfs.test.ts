import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FinisherContext } from '#agent/finishers/finisher.ts';
import { rebuildInitramfs } from '#agent/finishers/initramfs.ts';
import { tempFolder } from '#test/temp-folder.ts';

/** Of a system in a LUKS container that has these programs. */
function rebuild(t: TestContext, programs: readonly string[]): Promise<void> {
  const root = tempFolder(t);
  for (const program of programs) {
    mkdirSync(dirname(join(root, program)), { recursive: true });
    writeFileSync(join(root, program), '#!/bin/false\n', { mode: 0o755 });
  }
  const manifest = { head: { containers: [{ uuid: '7fdb51e4-6471-431d-a795-2453be4b6e1d' }] }, volumes: [] };
  const system = { kind: 'linux', root };
  return rebuildInitramfs({ manifest, system, whyNoSystem: [], changes: [] } as unknown as FinisherContext);
}

test('with LUKS, dracut is refused before anything is built, also under the name of the other program', async (t) => {
  await assert.rejects(rebuild(t, ['usr/bin/dracut']), /of dracut .*rd\.luks\.uuid.*before the capture/);
  await assert.rejects(rebuild(t, ['usr/bin/dracut', 'usr/sbin/update-initramfs']), /of dracut/);
  await assert.rejects(rebuild(t, ['usr/bin/mkinitcpio']), /of mkinitcpio/);
});

test('with LUKS, initramfs-tools want a crypttab that names the containers', async (t) => {
  const programs = ['usr/sbin/update-initramfs', 'usr/sbin/mkinitramfs', 'usr/bin/dracut'];
  await assert.rejects(rebuild(t, programs), /crypttab does not name the LUKS containers by UUID/);
});
