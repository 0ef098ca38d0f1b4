import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BootAssets } from '#server/boot/boot-assets.ts';
import { bootLoaders } from '#server/boot/network-boot.ts';
import { tempFolder } from '#test/temp-folder.ts';

test('assets that are built while the daemon runs are served at once', (t) => {
  const dir = tempFolder(t);
  const assets = BootAssets.open(dir);
  const loaders = bootLoaders(assets, 'http://10.77.0.1:8470');
  const build = (name: string, sha256: string) => {
    writeFileSync(join(dir, 'new'), JSON.stringify({ kernel: '6.12', files: { [name]: { bytes: 1, sha256 } } }));
    renameSync(join(dir, 'new'), join(dir, 'boot.json'));
  };
  assert.deepEqual([assets.isReady, assets.names], [false, []]);
  assert.equal(loaders.find('ipxe.efi', '10.77.0.9'), undefined);
  build('ipxe.efi', 'aa');
  assert.deepEqual([assets.isReady, assets.sha256Of('ipxe.efi')], [true, 'aa']);
  assert.deepEqual(loaders.find('ipxe.efi', '10.77.0.9'), { path: join(dir, 'ipxe.efi') });
  build('ipxe.efi', 'bb');
  assert.equal(assets.sha256Of('ipxe.efi'), 'bb');
  writeFileSync(join(dir, 'boot.json'), 'half a fi');
  assert.equal(assets.isReady, false);
  rmSync(join(dir, 'boot.json'));
  assert.deepEqual(assets.names, []);
  assert.ok('bytes' in loaders.find('grub/grub.cfg', '10.77.0.9')!);
});
