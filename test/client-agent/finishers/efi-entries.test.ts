import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideEntries, findLoader, parseEntries } from '#agent/finishers/efi-entries.ts';

const ESP = '6c2a7c2d-5d0a-4d2b-9a57-3f2f2d4f9b11';
const OLD = '11111111-2222-3333-4444-555555555555';

/** The form of efibootmgr 17 (Debian 12) and 18 (Debian 13) with -v, on EDK2. */
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
