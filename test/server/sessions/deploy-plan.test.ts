import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { VersionView } from '#protocol/admin/image-api.ts';
import type { Disk } from '#protocol/disk.ts';
import { KnownError } from '#protocol/errors.ts';
import type { Layout } from '#protocol/layout.ts';
import { makeDeployPlan, tasksOfPlan } from '#server/sessions/deploy-plan.ts';
import { sampleRequest as request } from '../sample-request.ts';

const GB = 1e9;
const layout: Layout = { label: 'none', sectorBytes: 512, diskBytes: 100 * GB, partitions: [] };
const headOf = (of: Layout) => ({ chunkBytes: 65536, hash: 'blake3-256' as const, layout: of, volumes: [] });
const version: VersionView = {
  version: 3,
  manifestId: 'ab'.repeat(32),
  createdAtMs: 0,
  sourceHost: 'golden',
  diskBytes: 100 * GB,
  usedBytes: 40 * GB,
  chunks: 160_000,
  storedBytes: 20 * GB,
  addedBytes: 0,
  warnings: [],
};

function disk(fields: Partial<Disk> = {}): Disk {
  return {
    path: '/dev/sda',
    model: 'WDC',
    serial: 'W1',
    sizeBytes: 100 * GB,
    sectorBytes: 512,
    transport: 'sata',
    removable: false,
    readOnly: false,
    inUse: false,
    content: 'gpt: 1 ntfs',
    ...fields,
  };
}

function host(hostId: number, disks: readonly Disk[] | undefined, fields: Partial<HostView> = {}): HostView {
  const inventory = {
    systemUuid: '',
    mac: '',
    macs: [],
    manufacturer: '',
    product: '',
    serial: '',
    firmware: 'uefi' as const,
    cpus: 4,
    memoryBytes: 0,
    address: '',
    interface: 'eth0',
    disks: [...(disks ?? [])],
  };
  const base: HostView = { hostId, name: `pc-${hostId}`, approval: 'approved', macs: [], groups: [], presence: 'away' };
  return { ...base, ...(disks === undefined ? {} : { inventory }), ...fields };
}

const plan = (hosts: HostView[], fields: Partial<DeployRequest> = {}, maxMbit?: number) =>
  makeDeployPlan(
    { ...request, ...fields },
    { image: 'win11', version, manifest: { head: headOf(layout), volumes: [] } },
    hosts,
    maxMbit,
  );

const refusals: readonly [title: string, host: HostView, code: string, rule?: string][] = [
  ['is not approved', host(1, [disk()], { approval: 'pending' }), 'HOST_PENDING'],
  ['is in a session', host(1, [disk()], { session: 7 }), 'HOST_BUSY'],
  ['was never seen', host(1, undefined), 'HOST_NEVER_SEEN'],
  ['has no disk', host(1, []), 'DISK_NONE'],
  ['has two disks', host(1, [disk(), disk({ serial: 'W2' })]), 'DISK_AMBIGUOUS'],
  ['has no disk that fits the rule', host(1, [disk()]), 'DISK_NONE', 'transport=nvme'],
  ['has too small a disk', host(1, [disk({ sizeBytes: 99 * GB })]), 'DISK_TOO_SMALL'],
  ['has other sectors', host(1, [disk({ sectorBytes: 4096 })]), 'DISK_SECTOR_SIZE'],
];
for (const [title, refused, code, rule] of refusals) {
  test(`a host that ${title} is refused with ${code}`, () => {
    const [planned] = plan([refused], rule === undefined ? {} : { disk: rule }).hosts;
    assert.equal(planned!.refused?.code, code);
    assert.equal(planned!.fit, undefined);
  });
}

test('the plan names each disk, what is lost on it and how it fits', () => {
  const [exact, larger] = plan([host(1, [disk()]), host(2, [disk({ sizeBytes: 200 * GB, content: '' })])]).hosts;
  assert.deepEqual([exact!.fit, exact!.diskPath, exact!.lost], ['exact', '/dev/sda', 'gpt: 1 ntfs']);
  assert.deepEqual([larger!.fit, larger!.lost], ['larger', 'nothing known']);
});

test('the rule of the session counts before that of the host, that before those of its groups, and the plan says which did', () => {
  const disks = [disk({ serial: 'W1' }), disk({ serial: 'W2', path: '/dev/sdb' })];
  const own = [{ rule: 'serial=W2', from: 'the host' }];
  const [byHost] = plan([host(1, disks, { diskRules: own })]).hosts;
  assert.deepEqual([byHost!.disk?.serial, byHost!.rule], ['W2', own[0]]);
  assert.deepEqual(byHost!.otherDisks, ['/dev/sda WDC W1 (100.0 GB): not serial=W2']);
  const [bySession] = plan([host(1, disks, { diskRules: own })], { disk: 'order=1' }).hosts;
  assert.deepEqual([bySession!.disk?.serial, bySession!.rule?.from], ['W1', 'the session']);
});

test('a host whose groups set different disk rules is refused, with both', () => {
  const rules = ['serial=W1', 'serial=W2'].map((rule, i) => ({ rule, from: `the group g${i}` }));
  const disks = [disk(), disk({ serial: 'W2' })];
  const [refused] = plan([host(1, disks, { diskRules: rules })]).hosts;
  assert.equal(refused!.refused?.code, 'DISK_RULES_DIFFER');
  assert.match(refused!.refused!.message, /serial=W1 \(the group g0\); serial=W2 \(the group g1\)/);
  assert.equal(plan([host(1, disks, { diskRules: [rules[0]!, rules[0]!] })]).hosts[0]!.disk?.serial, 'W1');
});

/** ESP, ext4 of 80 GB that holds `usedBytes`, swap: on a disk of 100 GB. */
function tabled(filesystem: string, usedBytes: number) {
  const GPT_LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
  const MIB_SECTORS = 2048;
  const parts = [
    { number: 1, startSector: MIB_SECTORS, sectors: 100 * MIB_SECTORS, type: GPT_LINUX, filesystem: 'vfat' },
    { number: 2, startSector: 101 * MIB_SECTORS, sectors: 80_000 * MIB_SECTORS, type: GPT_LINUX, filesystem },
    { number: 3, startSector: 80_101 * MIB_SECTORS, sectors: 8000 * MIB_SECTORS, type: GPT_LINUX, filesystem: 'swap' },
  ];
  const partitions = parts.map(({ filesystem: _, ...partition }) => partition);
  const volumes = parts.map((part) => ({
    ...{ kind: 'partition' as const, partition: part.number, filesystem: part.filesystem },
    ...{ startBytes: part.startSector * 512, sizeBytes: part.sectors * 512 },
    ...(part.filesystem === 'swap'
      ? { map: 'none', swap: { pageBytes: 4096 } }
      : { map: `partclone.${part.filesystem}` }),
    extents: Float64Array.from([0, usedBytes]),
    indices: new Uint32Array(0),
    firstOrdinal: 0,
  }));
  const head = { ...headOf({ label: 'gpt', sectorBytes: 512, diskBytes: 100 * GB, partitions }), volumes };
  return { image: 'win11', version, manifest: { head, volumes } };
}

test('on a larger disk the plan says what grows, and its id changes with the rule', () => {
  const hosts = [host(1, [disk({ sizeBytes: 120 * GB })])];
  const plain = makeDeployPlan(request, tabled('ext4', GB), hosts, undefined);
  const grown = makeDeployPlan({ ...request, grow: 'last' }, tabled('ext4', GB), hosts, undefined);
  assert.equal(plain.hosts[0]!.fit, 'larger');
  assert.equal(grown.hosts[0]!.fit, 'fitted');
  assert.deepEqual(
    grown.hosts[0]!.fitted!.map(({ partition, sizeBytes, fromBytes }) => [partition, sizeBytes > fromBytes]),
    [
      [2, true],
      [3, false],
    ],
  );
  assert.notEqual(plain.planId, grown.planId);
});

test('a partition that is named and cannot grow refuses the whole plan', () => {
  const hosts = [host(1, [disk()])];
  for (const [grow, why] of [
    [1, /no program here enlarges vfat/],
    [9, /there is none with that number/],
  ] as const) {
    assert.throws(
      () => makeDeployPlan({ ...request, grow }, tabled('ext4', GB), hosts, undefined),
      (error) => error instanceof KnownError && error.code === 'GROW_IMPOSSIBLE' && why.test(error.message),
    );
  }
});

test('for a disk that the image fits when it is made smaller, the plan names the command', () => {
  const small = [host(1, [disk({ sizeBytes: 60 * GB })])];
  const [planned] = makeDeployPlan(request, tabled('ext4', 20 * GB), small, undefined).hosts;
  assert.equal(planned!.refused?.code, 'IMAGE_NEEDS_FIT');
  assert.match(planned!.refused!.next, /^fleetcast image fit win11@3 --to 60000000000 /);
});

test('for a disk that nothing fits, the plan says the least size that works and why', () => {
  const small = [host(1, [disk({ sizeBytes: 60 * GB })])];
  const [xfs] = makeDeployPlan(request, tabled('xfs', 20 * GB), small, undefined).hosts;
  assert.equal(xfs!.refused?.code, 'FIT_IMPOSSIBLE');
  const leastBytes = 88_101 * 1024 * 1024 + 33 * 512;
  assert.match(
    xfs!.refused!.message,
    new RegExp(`needs at least ${leastBytes}: .*partition 2 \\(xfs\\) stays at 80000 MiB`),
  );
  const [full] = makeDeployPlan(request, tabled('ext4', 70 * GB), small, undefined).hosts;
  assert.match(full!.refused!.message, /partition 2 \(ext4\) needs about \d+ MiB/);
});

test('the plan id changes with the disk and not with presence or path', () => {
  const id = (one: HostView) => plan([one]).planId;
  const before = id(host(1, [disk()]));
  assert.equal(id(host(1, [disk({ path: '/dev/sdb', content: 'x' })], { presence: 'agent' })), before);
  assert.notEqual(id(host(1, [disk({ serial: 'W9' })])), before);
  assert.notEqual(id(host(1, [disk()], { session: 1 })), before);
});

/** A host whose link is known. */
function linked(hostId: number, linkMbit: number): HostView {
  const one = host(hostId, [disk()]);
  return { ...one, inventory: { ...one.inventory!, linkMbit } };
}

test('the estimate says what it takes for granted', () => {
  const hosts = [host(1, [disk()]), host(2, [disk()])];
  const cast = plan(hosts);
  assert.equal(cast.expectedSeconds, Math.ceil((20e9 * 8) / 940e6 + 200));
  assert.equal(
    cast.expectedBecause,
    'one pass at 94 % of 1000 Mbit/s (assumed: no link speed is known), then reading back at an assumed 200 MB/s',
  );
  const unicast = plan(hosts, { mode: 'unicast', verify: 'none' }, 100);
  assert.equal(unicast.expectedBecause, '2 copies at 94 % of 100 Mbit/s (the cap of the config)');
  assert.equal(unicast.expectedSeconds, Math.ceil((2 * 20e9 * 8) / 94e6));
});

const paces: readonly [
  title: string,
  hosts: HostView[],
  maxMbit: number | undefined,
  config: number | undefined,
  RegExp,
][] = [
  [
    'the slowest link',
    [linked(1, 10_000), linked(2, 100), host(3, [disk()])],
    undefined,
    500,
    /100 Mbit\/s \(the link of pc-2\)/,
  ],
  [
    'fast links that are all known',
    [linked(1, 2500), linked(2, 10_000)],
    undefined,
    undefined,
    /2500 Mbit\/s \(the link of pc-1\)/,
  ],
  ['the rate asked for', [linked(1, 1000)], 80, 90, /80 Mbit\/s \(the rate asked for\)/],
  ['the cap of the config', [linked(1, 1000)], 95, 90, /90 Mbit\/s \(the cap of the config\)/],
  ['a cap, even when no link is known', [host(1, [disk()])], 2000, undefined, /2000 Mbit\/s \(the rate asked for\)/],
];
for (const [title, hosts, maxMbit, config, because] of paces) {
  test(`the pace of the estimate is ${title}`, () => {
    assert.match(plan(hosts, maxMbit === undefined ? {} : { maxMbit }, config).expectedBecause, because);
  });
}

test('the link of a host that is refused does not slow the estimate', () => {
  const refused = { ...linked(2, 10), session: 7 };
  assert.match(plan([linked(1, 1000), refused]).expectedBecause, /1000 Mbit/);
});

test('a rule that does not parse is refused for the whole plan', () => {
  assert.throws(
    () => plan([host(1, [disk()])], { disk: 'biggest' }),
    (error) => error instanceof KnownError && error.code === 'DISK_RULE_INVALID',
  );
});

test('"each" plans every disk of the host; one that cannot take the image is named, and stops the session unless it is left out', () => {
  const disks = [
    disk({ path: '/dev/sdb', serial: 'W2', sizeBytes: 200 * GB, content: '' }),
    disk(),
    disk({ path: '/dev/sdc', serial: 'W3', sizeBytes: 50 * GB }),
    disk({ path: '/dev/sdd', serial: 'W4', removable: true }),
  ];
  const made = plan([host(1, disks)], { disk: 'each' });
  const [planned] = made.hosts;
  assert.deepEqual([planned!.disk?.serial, planned!.fit, planned!.refused], ['W1', 'exact', undefined]);
  assert.deepEqual(
    planned!.twins?.map(({ diskPath, fit, lost }) => [diskPath, fit, lost]),
    [['/dev/sdb', 'larger', 'nothing known']],
  );
  assert.deepEqual(
    planned!.unfitDisks?.map(({ diskPath, refused }) => [diskPath, refused.code]),
    [['/dev/sdc', 'DISK_TOO_SMALL']],
  );
  assert.deepEqual(planned!.otherDisks, ['/dev/sdd WDC W4 (100.0 GB): removable']);
  const { planId } = made;
  assert.throws(() => tasksOfPlan(made, { planId, skipRefused: false }), { code: 'PLAN_REFUSED' });
  const [task] = tasksOfPlan(made, { planId, skipRefused: true });
  assert.deepEqual([task!.disk.serial, task!.twins?.map((twin) => twin.disk.serial)], ['W1', ['W2']]);
  assert.notEqual(plan([host(1, disks.slice(0, 2))], { disk: 'each' }).planId, planId);
});

test('a host none of whose disks can take the image is refused; an audit reads what a deployment would write', () => {
  const small = [disk({ sizeBytes: 9 * GB }), disk({ sizeBytes: 9 * GB, path: '/dev/sdb', serial: 'W2' })];
  assert.equal(plan([host(1, small)], { disk: 'each' }).hosts[0]!.refused?.code, 'DISK_TOO_SMALL');
  const two = [disk(), disk({ path: '/dev/sdb', serial: 'W2' })];
  const [audited] = plan([host(1, two)], { disk: 'each', audit: true }).hosts;
  assert.deepEqual([audited!.disk?.serial, audited!.twins?.map((twin) => twin.disk.serial)], ['W1', ['W2']]);
  assert.equal(plan([host(1, two)], { audit: true }).hosts[0]!.refused?.code, 'DISK_AMBIGUOUS');
});

test('the plan repeats what the capture of the image had to say', () => {
  const warnings = ['partition 2: 4096 used bytes could not be read'];
  const planImage = {
    image: 'win11',
    version: { ...version, warnings },
    manifest: { head: headOf(layout), volumes: [] },
  };
  const planned = (image: typeof planImage) =>
    makeDeployPlan(request, image as unknown as Parameters<typeof makeDeployPlan>[1], [host(1, [disk()])], undefined);
  assert.deepEqual(planned(planImage).warnings, warnings);
  assert.equal(planned({ ...planImage, version: { ...version, warnings: [] } }).warnings, undefined);
});
