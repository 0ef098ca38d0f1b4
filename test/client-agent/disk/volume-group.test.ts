import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '#agent/disk/lvm-text.ts';
import { isAmong, readActiveVolumes, whyNotActivated } from '#agent/disk/volume-group.ts';

/** `lvm lvs --reportformat json`, LVM 2.03.31 of the agent image: a thin pool, two volumes, and a snapshot that is skipped. */
const LVS = `  {
      "report": [
          {
              "lv": [
                  {"vg_name":"my-lab", "lv_name":"pool", "lv_active":"active", "lv_kernel_minor":"4", "lv_layout":"thin,pool"},
                  {"vg_name":"my-lab", "lv_name":"ro-ot", "lv_active":"active", "lv_kernel_minor":"0", "lv_layout":"linear"},
                  {"vg_name":"my-lab", "lv_name":"snap", "lv_active":"", "lv_kernel_minor":"-1", "lv_layout":"thin,sparse"}
              ]
          }
      ]
      ,
      "log": [
      ]
  }
`;

/** `dmsetup info -c --noheadings --separator ' ' -o uuid,name` of the same machine, and a device that is not LVM's. */
const DEVICES = `LVM-Pzwo5xAYge62M8fRWOKCfTStLpeLk1FtsV8B38nXFKTKy96C08tW1u5lj21fWdg2-pool my--lab-pool
LVM-Pzwo5xAYge62M8fRWOKCfTStLpeLk1FtcSW0FgfZeI3gzWo2hnS7cUaBcBphFWdX my--lab-ro--ot
 fleetcast-overlay-7-1
`;
const ID = 'Pzwo5x-AYge-62M8-fRWO-KCfT-StLp-eLk1Ft';

test('volumes of a group are found by the kernel’s own nodes; what LVM left inactive has none', () => {
  assert.deepEqual(readActiveVolumes(LVS), [
    { name: 'my-lab/pool', node: '/dev/dm-4', isPool: true },
    { name: 'my-lab/ro-ot', node: '/dev/dm-0', isPool: false },
    { name: 'my-lab/snap', isPool: false },
  ]);
});

test('a group that is active already is known by its id, and by its name too', () => {
  const other = 'abcdef-AYge-62M8-fRWO-KCfT-StLp-eLk1Ft';
  assert.deepEqual(
    [
      [isAmong(DEVICES, 'renamed', ID), isAmong(DEVICES, 'my-lab', other)],
      [isAmong(DEVICES, 'my', other), isAmong(DEVICES, 'fleetcast', other), isAmong('', 'my-lab', ID)],
    ],
    [
      [true, true],
      [false, false, false],
    ],
  );
});

test('a group is left alone, with the reason, when it is not whole, not free, or more than the agent can start', () => {
  const group = (words: string, type = 'striped', members = 1) =>
    parseConfig(`${words}
physical_volumes { ${Array.from({ length: members }, (_, i) => `pv${i} { id = "${i}" }`).join('\n')} }
logical_volumes { root { status = ["READ", "VISIBLE"]
segment1 { start_extent = 0
type = "${type}" } } }`)!;
  const why = (content: ReturnType<typeof group>) => whyNotActivated('lab', content, 1);
  assert.equal(why(group('status = ["RESIZEABLE", "READ", "WRITE"]')), undefined);
  assert.equal(why(group('', 'thin-pool')), undefined);
  assert.equal(why(group('', 'striped', 3)), '2 of its 3 physical volumes are not on this disk');
  assert.equal(why(group('status = ["RESIZEABLE", "READ", "WRITE", "EXPORTED"]')), 'it was exported (vgexport)');
  assert.equal(why(group('lock_type = "sanlock"')), 'machines share it by sanlock');
  for (const type of ['cache+METADATA_FORMAT', 'raid1', 'vdo']) {
    const name = type.split('+')[0];
    assert.equal(why(group('', type)), `lab/root is of type ${name}, which is not activated by the agent`);
  }
});
