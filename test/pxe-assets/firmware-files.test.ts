import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { copyFirmware, firmwareAsked, readFirmwareNames } from '#pxe-assets/firmware-files.ts';
import { tempFolder } from '#test/temp-folder.ts';

/** As modinfo(8) shows of Debian's r8169.ko: texts one after another, each ended by a zero byte. */
const modinfo = Buffer.from(
  '\0description=RealTek\0firmware=rtl_nic/rtl8125b-2.fw\0firmware=rtl_nic/rtl8105e-1.fw\0license=GPL\0',
);

test('the firmware files of a driver are read from its module', () => {
  assert.deepEqual(readFirmwareNames(modinfo), ['rtl_nic/rtl8105e-1.fw', 'rtl_nic/rtl8125b-2.fw']);
  assert.deepEqual(readFirmwareNames(Buffer.from('nothing')), []);
});

test('what a driver asks for is copied with the licence, and what no package brings is named', async (t) => {
  const folder = tempFolder(t);
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  mkdirSync(join(to, 'usr/lib/modules/6.12/kernel'), { recursive: true });
  writeFileSync(join(to, 'usr/lib/modules/6.12/kernel/r8169.ko'), modinfo);
  writeFileSync(join(to, 'usr/lib/modules/6.12/kernel/ext4.ko'), 'no firmware');
  mkdirSync(join(from, 'usr/lib/firmware/rtl_nic'), { recursive: true });
  writeFileSync(join(from, 'usr/lib/firmware/rtl_nic/real.fw'), 'x');
  symlinkSync('real.fw', join(from, 'usr/lib/firmware/rtl_nic/rtl8105e-1.fw'));
  mkdirSync(join(from, 'licences/firmware-realtek'), { recursive: true });
  writeFileSync(join(from, 'licences/firmware-realtek/copyright'), 'terms');

  const asked = await firmwareAsked(to);
  assert.deepEqual(Object.keys(asked), ['r8169']);
  assert.deepEqual(await copyFirmware(from, to, asked), { r8169: ['rtl_nic/rtl8125b-2.fw'] });
  assert.ok(existsSync(join(to, 'usr/lib/firmware/rtl_nic/rtl8105e-1.fw')));
  assert.ok(existsSync(join(to, 'usr/share/doc/firmware-realtek/copyright')));
});
