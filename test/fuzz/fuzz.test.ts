/**
 * Damaged packets against the parsers and the live sockets: no crash, no leak, no answer to garbage. Short in the test run;
 * `npm run fuzz` (this file with a number as its argument) sends a million.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { identifyClient } from '#server/boot/dhcp/client-kind.ts';
import { decideProxy } from '#server/boot/dhcp/decide-proxy.ts';
import { decodePacket, encodePacket, macOf } from '#server/boot/dhcp/packet.ts';
import { decodeTftp } from '#server/boot/tftp/packet.ts';
import { run } from '#system/run.ts';
import { Program, Segment } from '../server/boot/dhcp/segment.ts';
import { mutate, Random } from './mutation.ts';
import { dhcpSeeds, tftpSeeds } from './seeds.ts';

const COUNT = Number(process.argv[2] ?? 20_000);
const LIVE_COUNT = Math.max(4000, COUNT / 4);
const SEED = 0x9e3779b9;
const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
const boot = { fileName: 'boot.efi', serverAddress: '10.77.0.1', url: 'http://10.77.0.1/boot' };

test(`${COUNT} damaged DHCP packets neither break the parser nor the decision nor the answer`, () => {
  const random = new Random(SEED);
  const met = new Map<string, number>();
  for (let i = 0; i < COUNT; i++) {
    const bytes = mutate(dhcpSeeds, random);
    const packet = decodePacket(bytes);
    met.set(
      typeof packet === 'string' ? packet : 'read',
      (met.get(typeof packet === 'string' ? packet : 'read') ?? 0) + 1,
    );
    if (typeof packet === 'string') continue;
    const mac = macOf(packet) ?? '52:54:00:00:00:01';
    identifyClient(packet, mac);
    const facts = {
      port: 'dhcp',
      source: { address: '10.77.0.9', port: 68 },
      serverAddress: 1,
      isAllowed: true,
      boot: () => boot,
    } as const;
    const decision = decideProxy(packet, mac, facts);
    if (decision.kind === 'reply') encodePacket(decision.packet, decision.maxBytes);
    const again = encodePacket(packet, 1472);
    if (again !== undefined) assert.deepEqual(decodePacket(again), packet);
  }
  // Every fault was met, or the damage would not be of the right kinds.
  for (const fault of [
    'short',
    'bad-op',
    'bad-hlen',
    'no-cookie',
    'option-overrun',
    'no-end',
    'bad-overload',
    'read',
  ]) {
    assert.ok(met.has(fault), `${fault} was never met`);
  }
});

test(`${COUNT} damaged TFTP packets do not break the parser`, () => {
  const random = new Random(SEED);
  for (let i = 0; i < COUNT; i++) decodeTftp(mutate(tftpSeeds, random));
});

async function flood(t: TestContext, protocol: 'dhcp' | 'tftp', file: string, options: object) {
  const lan = await Segment.make(t);
  const server = new Program(t, await lan.addMachine('srv', '10.77.0.1/24'), join(import.meta.dirname, file), options);
  await server.line((line) => line.ready === true);
  const pc = await lan.addMachine('pc', '10.77.0.250/24');
  const order = { protocol, to: '10.77.0.1', port: protocol === 'dhcp' ? 67 : 69, count: LIVE_COUNT, seed: SEED };
  const argv = pc.on(process.execPath, join(import.meta.dirname, 'flood.ts'), JSON.stringify(order));
  const { stdout } = await run(argv, { limitMs: 600_000 });
  const flooded = JSON.parse(stdout) as { answers: number; toGarbage: number };
  const last = (await server.stop()) as { counts: Record<string, number>; rss: number; open: number };
  return { flooded, last, stderr: server.stderr, exitCode: server.child.exitCode };
}

for (const mode of ['proxy', 'full'] as const) {
  test(`a live DHCP server in ${mode} mode outlives ${LIVE_COUNT} damaged packets and answers no garbage`, {
    skip,
  }, async (t) => {
    const range = mode === 'full' ? { first: '10.77.0.100', last: '10.77.0.200' } : {};
    const { flooded, last, stderr, exitCode } = await flood(t, 'dhcp', '../server/boot/dhcp/serve-dhcp.ts', {
      mode,
      ...range,
      boot,
      logLevel: 'error',
    });
    assert.equal(exitCode, 0, stderr);
    assert.equal(last.counts.failed ?? 0, 0, stderr);
    assert.ok(flooded.answers > 0);
    assert.equal(flooded.toGarbage, 0);
    const seen = Object.values(last.counts).reduce((sum, count) => sum + count, 0);
    // A loaded machine drops datagrams; that is not what is tested here.
    assert.ok(seen > LIVE_COUNT * 0.5, `only ${seen} packets arrived`);
  });
}

test(`a live TFTP server outlives ${LIVE_COUNT} damaged packets, and leaves no socket open`, { skip }, async (t) => {
  const { flooded, last, stderr, exitCode } = await flood(t, 'tftp', 'serve-tftp.ts', { address: '10.77.0.1' });
  assert.equal(exitCode, 0, stderr);
  assert.ok(flooded.answers > 0);
  assert.equal(last.open, 0);
  assert.ok(last.rss < 250e6, `${last.rss} bytes`);
});
