import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHibernated, readClusterRuns } from '#agent/disk/ntfs-scratch.ts';

/** ntfscluster v2022.10.3 of a file in two pieces with a hole between, shortened. */
const output = `Dump: /pagefile.sys
    0x10 - resident
    0x30 - resident
    0x50 - non-resident
             VCN     LCN     Length
               0       77        1
    0x80 - non-resident
             VCN     LCN     Length
               0     8192     1221
            1221       -1       10
            1231    20000      300
`;

test('of what ntfscluster prints, the places of the data are read and nothing else', () => {
  assert.deepEqual(readClusterRuns(output), [
    { vcn: 0, lcn: 8192, length: 1221 },
    { vcn: 1231, lcn: 20_000, length: 300 },
  ]);
  assert.deepEqual(readClusterRuns('    0x80 - resident\n'), []);
});

test('a system sleeps in a hiberfil.sys that says so in its first word', () => {
  assert.equal(isHibernated(Buffer.from('hibr....')), true);
  assert.equal(isHibernated(Buffer.from('HIBR....')), true);
  assert.equal(isHibernated(Buffer.from('wake....')), false);
  assert.equal(isHibernated(Buffer.alloc(8)), false);
});
