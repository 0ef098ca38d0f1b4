import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDaemon } from './fake-daemon.ts';
import { runCli } from './run-cli.ts';

const change = { partition: 1, filesystem: 'ext4', fromStartBytes: 1048576, startBytes: 1048576 };

test('--to takes a size, or one for each disk that is to fit, counted from 1', async (t) => {
  const daemon = await FakeDaemon.start(t);
  const planned = {
    image: 'lab-disk2-100G',
    changes: [{ ...change, disk: 1, fromBytes: 5e11, sizeBytes: 9e10 }],
  };
  daemon.onRaw('POST /images/lab/fit', (_call, response) => {
    response.end(`${JSON.stringify({ phase: 'restore', doneBytes: 0, totalBytes: 0, planned })}\n`);
  });
  const fit = (to: string) => runCli(['--socket', daemon.socket, 'image', 'fit', 'lab', '--dry-run', '--to', to]);
  const one = await fit('100G');
  assert.equal(one.code, 0, one.err);
  assert.match(one.out, /Would make lab-disk2-100G: partition 1 of disk 2 \(ext4\) from 500\.0 GB to 90\.0 GB\./);
  await fit('2=100G');
  await fit('1=60G, 2=100000000');
  assert.deepEqual(
    daemon.calls.map(({ body }) => body),
    [
      { toBytes: 1e11, dryRun: true },
      { disks: [{ disk: 1, toBytes: 1e11 }], dryRun: true },
      {
        disks: [
          { disk: 0, toBytes: 6e10 },
          { disk: 1, toBytes: 1e8 },
        ],
        dryRun: true,
      },
    ],
  );
  for (const wrong of ['0=100G', 'sda=100G', '1=', '1=60G,1=70G', 'big'])
    assert.equal((await fit(wrong)).code, 2, wrong);
});
