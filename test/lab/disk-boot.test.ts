import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diskBootArguments } from '#lab/disk-boot.ts';

test('a disk that is only booted is never written, and no firmware is told what to boot first', () => {
  for (const firmware of ['bios', 'uefi'] as const) {
    const line = diskBootArguments({ firmware, disk: '/disk.img', folder: '/folder' }).join(' ');
    assert.match(line, /file=\/disk\.img,format=raw,cache=unsafe,snapshot=on/);
    assert.match(line, /-accel tcg/);
    assert.doesNotMatch(line, /bootindex|netdev/);
    assert.equal(line.includes('pflash'), firmware === 'uefi');
  }
});
