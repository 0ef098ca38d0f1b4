import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideEntries, findLoader, parseEntries } from '#agent/finishers/efi-entries.ts';

const ESP = '6c2a7c2d-5d0a-4d2b-9a57-3f2f2d4f9b11';
const OLD = '11111111-2222-3333-4444-555555555555';

/** Twins and a former system, in the form of efibootmgr 17 (Debian 12). */
const recorded = `BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0005,0002,0003,0001,0000
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* UEFI QEMU HARDDISK QM00001 \tPciRoot(0x0)/Pci(0x1f,0x2)/Sata(0,65535,0)N.....YM....R,Y.
Boot0002* debian\tHD(1,GPT,${OLD},0x800,0x20000)/File(\\EFI\\debian\\shimx64.efi)
Boot0003* UEFI PXEv4 (MAC:525400778001)\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(525400778001,1)/IPv4(0.0.0.00.0.0.0,0,0)
Boot0005* debian\tHD(1,GPT,${ESP},0x800,0x20000)/\\EFI\\debian\\shimx64.efi
Boot0006  debian\tHD(1,GPT,${ESP},0x800,0x20000)/File(\\EFI\\DEBIAN\\SHIMX64.EFI)
`;
/** efibootmgr 18 (Debian 13) on EDK2 2022.11, after a Debian was deployed; two of the network entries are cut out (test/vm/efi-entries.test.ts shows it). */
const real = `BootNext: 0000
Timeout: 0 seconds
BootOrder: 0007,0002,0004,0000,0001,0006
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
      dp: 04 07 14 00 c9 bd b8 7c eb f8 34 4f aa ea 3e e4 af 65 16 a1 / 04 06 14 00 21 aa 2c 46 14 76 03 45 83 6e 8a b6 f4 66 23 31 / 7f ff 04 00
Boot0001* UEFI Misc Device\tPciRoot(0x0)/Pci(0x2,0x0){auto_created_boot_option}
      dp: 02 01 0c 00 d0 41 03 0a 00 00 00 00 / 01 01 06 00 00 02 / 7f ff 04 00
    data: 4e ac 08 81 11 9f 59 4d 85 0e e2 1a 52 2c 59 b2
Boot0002* UEFI PXEv4 (MAC:525400123456)\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(525400123456,1)/IPv4(0.0.0.00.0.0.0,0,0){auto_created_boot_option}
      dp: 02 01 0c 00 d0 41 03 0a 00 00 00 00 / 01 01 06 00 00 03 / 03 0b 25 00 52 54 00 12 34 56 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 / 03 0c 1b 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 / 7f ff 04 00
    data: 4e ac 08 81 11 9f 59 4d 85 0e e2 1a 52 2c 59 b2
Boot0004* UEFI HTTPv4 (MAC:525400123456)\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(525400123456,1)/IPv4(0.0.0.00.0.0.0,0,0)/Uri(){auto_created_boot_option}
      dp: 02 01 0c 00 d0 41 03 0a 00 00 00 00 / 01 01 06 00 00 03 / 03 0b 25 00 52 54 00 12 34 56 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 / 03 0c 1b 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 / 03 18 04 00 / 7f ff 04 00
    data: 4e ac 08 81 11 9f 59 4d 85 0e e2 1a 52 2c 59 b2
Boot0006* EFI Internal Shell\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(7c04a583-9e3e-4f1c-ad65-e05268d0b4d1)
      dp: 04 07 14 00 c9 bd b8 7c eb f8 34 4f aa ea 3e e4 af 65 16 a1 / 04 06 14 00 83 a5 04 7c 3e 9e 1c 4f ad 65 e0 52 68 d0 b4 d1 / 7f ff 04 00
Boot0007* debian\tHD(1,GPT,${ESP},0x800,0x14000)/File(\\EFI\\debian\\shimx64.efi)
      dp: 04 01 2a 00 01 00 00 00 00 08 00 00 00 00 00 00 00 40 01 00 00 00 00 00 11 11 11 11 22 22 33 43 84 44 55 55 55 55 55 55 02 02 / 04 04 34 00 5c 00 45 00 46 00 49 00 5c 00 64 00 65 00 62 00 69 00 61 00 6e 00 5c 00 73 00 68 00 69 00 6d 00 78 00 36 00 34 00 2e 00 65 00 66 00 69 00 00 00 / 7f ff 04 00
`;
const debian = ['EFI/debian/shimx64.efi', 'EFI/debian/grubx64.efi', 'EFI/debian/grub.cfg', 'EFI/debian/mmx64.efi'];

test('entries and their order are read from what efibootmgr prints', () => {
  const { entries, order } = parseEntries(recorded);
  assert.deepEqual(order, ['0005', '0002', '0003', '0001', '0000']);
  assert.deepEqual(
    entries.map(({ number, label }) => [number, label]),
    [
      ['0000', 'UiApp'],
      ['0001', 'UEFI QEMU HARDDISK QM00001'],
      ['0002', 'debian'],
      ['0003', 'UEFI PXEv4 (MAC:525400778001)'],
      ['0005', 'debian'],
      ['0006', 'debian'],
    ],
  );
});

test("twins and the entry of the disk's former system go, the own one is first, all others keep their order", () => {
  const loader = findLoader(debian)!;
  const decision = decideEntries(parseEntries(recorded), {
    espUuid: ESP.toUpperCase(),
    loader,
    keepNetbootFirst: false,
  });
  assert.deepEqual(decision, { remove: ['0006', '0002'], order: ['0005', '0003', '0001', '0000'] });
  const kept = decideEntries(parseEntries(recorded), { espUuid: ESP, loader, keepNetbootFirst: true });
  assert.deepEqual(kept.order, ['0003', '0005', '0001', '0000']);
});

test('what a real firmware prints is understood: device paths in hexadecimal are no entries', () => {
  const { entries, order } = parseEntries(real);
  assert.deepEqual(
    entries.map(({ label }) => label),
    [
      ...['UiApp', 'UEFI Misc Device', 'UEFI PXEv4 (MAC:525400123456)', 'UEFI HTTPv4 (MAC:525400123456)'],
      ...['EFI Internal Shell', 'debian'],
    ],
  );
  assert.deepEqual(order, ['0007', '0002', '0004', '0000', '0001', '0006']);
  const loader = findLoader(debian)!;
  const again = decideEntries(parseEntries(real), { espUuid: ESP, loader, keepNetbootFirst: false });
  assert.deepEqual(again, { remove: [], order });
  const kept = decideEntries(parseEntries(real), { espUuid: ESP, loader, keepNetbootFirst: true });
  assert.deepEqual(kept.order, ['0002', '0004', '0007', '0000', '0001', '0006']);
});

test('a machine that has none gets one, and a second run changes nothing', () => {
  const loader = findLoader(debian)!;
  const bare = parseEntries(recorded.replaceAll(ESP, OLD));
  const first = decideEntries(bare, { espUuid: ESP, loader, keepNetbootFirst: true });
  assert.deepEqual(first.create, { label: 'debian', path: '\\EFI\\debian\\shimx64.efi' });
  assert.deepEqual(first.remove, ['0002', '0005', '0006']);
  const once = parseEntries(
    recorded
      .split('\n')
      .filter((line) => !/^Boot000[26]/.test(line))
      .join('\n'),
  );
  const again = decideEntries(once, { espUuid: ESP, loader, keepNetbootFirst: false });
  assert.deepEqual([again.remove, again.create], [[], undefined]);
});

test('the loader of a system is preferred to a copy at the fallback path', () => {
  assert.deepEqual(findLoader([...debian, 'EFI/BOOT/BOOTX64.EFI']), {
    ...{ folder: 'EFI/debian', file: 'shimx64.efi', label: 'debian' },
    beside: ['grubx64.efi', 'mmx64.efi'],
  });
  assert.equal(findLoader(['EFI/Microsoft/Boot/bootmgfw.efi'])?.label, 'Windows Boot Manager');
  assert.equal(findLoader(['EFI/BOOT/BOOTX64.EFI'])?.label, 'Local disk');
  assert.equal(findLoader(['EFI/debian/grub.cfg']), undefined);
});
