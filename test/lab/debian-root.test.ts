import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDebianWords } from '#lab/debian-root.ts';

/** As a console had it, the terminal's own codes before the line. */
const recorded =
  '\x1b[!p\x1b]104\x07\x1b[?7hFC-DEBIAN-OK hostname=golden-debian fs=btrfs root=1342177280 swap=67104768 firmware=bios entry= damaged=\r\n[   95.393687] reboot: Power down\r\n';

test('what a Debian says at the end of its boot is read from its console', () => {
  assert.deepEqual(readDebianWords(`Welcome to GRUB!\r\n${recorded}`), {
    ...{ hostname: 'golden-debian', filesystem: 'btrfs', rootBytes: 1342177280, swapBytes: 67104768 },
    ...{ firmware: 'bios', entry: '', failed: [], damaged: [] },
  });
});

test('what has failed is told with the journal of its unit', () => {
  const lines = ['lvm2-monitor.service', 'Starting lvm2-monitor.service - Monitoring of LVM2 mirrors...'];
  const failed = lines.map((line) => `FC-DEBIAN-FAILED ${line}\r\n`).join('');
  const bad = recorded.replace('entry= damaged=', 'entry=debian damaged=usr/bin/ls,usr/bin/cp');
  const words = readDebianWords(recorded + failed + bad)!;
  assert.deepEqual(words.failed, lines);
  assert.deepEqual([words.entry, words.damaged], ['debian', ['usr/bin/ls', 'usr/bin/cp']]);
});

test('a console on which it has not spoken has no words', () => {
  assert.equal(readDebianWords('Loading Linux …\r\nPlease unlock disk vda4_crypt: '), undefined);
});
