import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  agentImageFor,
  grubEntryScript,
  grubScript,
  ipxeScript,
  type ScriptOptions,
} from '#server/boot/boot-script.ts';

const options: ScriptOptions = {
  mac: '52:54:00:77:00:01',
  image: agentImageFor('bios'),
  squashSha256: 'ab12',
  kernelArgs: 'quiet',
  isDebug: false,
};
const agent = { target: 'agent', server: 'http://10.0.0.1:8470', bootToken: 'token' } as const;
const local = { target: 'local', reason: 'pc-1 has nothing to do' } as const;

test('every script ends in a way on when a step fails', () => {
  const scripts = [
    ...[ipxeScript(agent, 'bios', options), ipxeScript(local, 'bios', options), ipxeScript(local, 'uefi-x64', options)],
    ...[grubScript(agent, options), grubScript(local, options), grubEntryScript(agent.server)],
  ];
  for (const script of scripts) assert.match(script, /sleep 30\nreboot\n$/);
});

test('the kernel is told server, token, card and digest, and to restart when it crashes', () => {
  const words =
    'quiet panic=30 fleetcast.server=http://10.0.0.1:8470 fleetcast.token=token fleetcast.mac=52:54:00:77:00:01';
  for (const script of [ipxeScript(agent, 'bios', options), grubScript(agent, options)]) {
    assert.ok(script.includes(`${words} fleetcast.sha256=ab12`), script);
    assert.ok(!script.includes('fleetcast.debug'));
  }
});

test('GRUB is given the port with a colon, which is the only way that it reads', () => {
  assert.match(
    grubEntryScript(agent.server),
    /^configfile \(http,10\.0\.0\.1:8470\)\/boot\/v1\/grub\/\$net_default_mac\n/,
  );
});

test('each firmware boots its disk in the way that was seen to work', () => {
  assert.match(ipxeScript(local, 'bios', options), /sanboot --no-describe --drive 0x80/);
  assert.match(ipxeScript(local, 'uefi-x64', options), /--drive 0 --filename \\EFI\\BOOT\\BOOTX64\.EFI/);
  assert.match(grubScript(local, options), /chainloader \/EFI\/BOOT\/BOOTX64\.EFI/);
});

test('a machine with an ARM64 processor is sent the image for it, and boots its disk by the name for it', () => {
  const target = { target: 'agent', server: 'http://10.0.0.1:8470', bootToken: 'tok' } as const;
  const script = ipxeScript(target, 'uefi-arm64', { ...options, image: agentImageFor('uefi-arm64') });
  assert.match(script, /files\/vmlinuz-arm64 initrd=stage1\.img /);
  assert.match(script, /files\/stage1-arm64\.img /);
  const local = ipxeScript({ target: 'local', reason: 'idle' }, 'uefi-arm64', options);
  assert.match(local, /BOOTAA64\.EFI/);
});
