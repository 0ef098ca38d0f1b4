import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attachArgv } from '#agent/disk/loop-device.ts';
import { readFilesystemBytes, readPartcloneMap } from '#agent/disk/partclone-map.ts';
import { partcloneArgv } from '#agent/disk/used-extents.ts';

/** partclone 0.3.23 on an NTFS of 100 MiB, shortened. */
const output = `# Domain logfile created by unset_name v0.3.23
# Source: /dev/loop0
# Offset: 0x00000000
# current_pos  current_status
0x063FF000     ?
#      pos        size  status
0x00000000  0x00003000  +
0x00003000  0x00001000  ?
0x00004000  0x002E4000  +
0x002E8000  0x06117000  ?
`;

/** Its log on that volume. */
const log = `File system:  NTFS
Device size:  104.9 MB = 25599 Blocks
Space in use:   3.0 MB = 743 Blocks
Free Space:   101.8 MB = 24856 Blocks
Block size:   4096 Byte
`;

/** On a volume of this size. */
function readOn(text: string, sizeBytes = 100 * 1024 * 1024) {
  return readPartcloneMap(text, { sizeBytes, filesystemBytes: readFilesystemBytes(log) });
}

test("partclone's map is read as runs of used bytes", () => {
  const map = readOn(output);
  assert.ok(typeof map !== 'string');
  assert.deepEqual([...map.extents], [0, 0x3000, 0x4000, 0x2e8000]);
  assert.equal(map.coveredBytes, 0x63ff000);
});

test('a map that makes no sense is refused with the reason', () => {
  assert.equal(readOn(output.replaceAll('+', '?')), 'the map has no used block');
  assert.equal(readOn(output, 1024 * 1024), 'the map goes to byte 3047424 of 1048576');
  assert.equal(readOn(output.replace('0x00003000  0x00001000  ?\n', '')), 'the map jumps from byte 12288 to 16384');
  assert.match(String(readOn(`${output}rubbish\n`)), /has the line "rubbish"/);
});

test('a map that ends before its filesystem does is refused: partclone says nothing when a disk is full', () => {
  const cut = output.slice(0, output.indexOf('0x002E8000'));
  assert.equal(readOn(cut), 'the map ends at byte 3047424 of 104853504');
  const unsaid = readPartcloneMap(output, { sizeBytes: 100 * 1024 * 1024, filesystemBytes: readFilesystemBytes('') });
  assert.equal(unsaid, 'partclone does not say how large it is');
});

test('partclone only maps, into files, and the loop device cannot be written', () => {
  assert.deepEqual(partcloneArgv('partclone.xfs', '/dev/loop3', 'm', 'l'), [
    ...['partclone.xfs', '-D', '-f', '0', '-s', '/dev/loop3', '-o', 'm', '-L', 'l', '-q'],
  ]);
  assert.deepEqual(
    attachArgv({ path: '/dev/sda', startBytes: 1048576, sizeBytes: 4096, sectorBytes: 4096, mode: 'read' }),
    'losetup --find --show --read-only --sector-size 4096 --offset 1048576 --sizelimit 4096 /dev/sda'.split(' '),
  );
});
