import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastWords } from '#lab/console-words.ts';

/** As QEMU 7.2 wrote it down, shortened. */
const bios = [
  '\u001bc\u001b[?7l\u001b[2J\u001b[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r',
  '\u001b[0;1miPXE 1.0.0+git-20190125.36a4c85-5.1\u001b[0m -- Open Source Network Boot Firmware -- \u001b[0;36mhttp\r',
  'http://10.77.0.1:8470/boot/v1/ipxe... ok\r',
  'fleetcast: loading the agent\r',
  'http://10.77.0.1:8470/boot/v1/files/vmlinuz... 52%\b\b\b\b    \b\b\b\b ok\r',
  '\u001bc\u001b[?7l\u001b[2J[    0.028000] ..MP-BIOS bug: 8254 timer not connected to IO-APIC\r',
  'fleetcast: looking for the network card\r',
  'fleetcast agent 0.1.0: asking http://10.77.0.1:8470\r',
  'this host is vm-1\r',
  'session 2: receiving the image (disk VM1)\r',
  'fleetcast: booting the local disk (vm-1 has nothing to do)\r',
  'RESTORED-OS-IS-UP golden\r',
];
const upTo = (count: number) => lastWords(bios.slice(0, count).join('\n'));

test('a console is told in the words of its last line that means something', () => {
  const told = bios.map((_, i) => upTo(i + 1));
  assert.deepEqual(told, [
    'the firmware starts',
    'iPXE asks the network',
    'iPXE asks the network',
    'loading the agent',
    'loading the agent',
    'loading the agent',
    'looking for the network card',
    'the agent (version 0.1.0) has started',
    'the agent has been taken in as vm-1',
    'session 2: receiving the image (disk VM1)',
    'booting the local disk (vm-1 has nothing to do)',
    'RESTORED-OS-IS-UP golden',
  ]);
});

test('a console that has said nothing yet has no words', () => {
  assert.equal(lastWords('\u001b[2J\u001b[01;01H'), undefined);
});
