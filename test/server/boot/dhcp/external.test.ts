import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { externalKinds } from '#protocol/admin/dhcp-api.ts';
import { renderExternal } from '#server/boot/dhcp/external.ts';
import { run } from '#system/run.ts';
import { tempFolder } from '#test/temp-folder.ts';

const facts = {
  serverAddress: '10.77.0.1',
  biosFile: 'undionly.kpxe',
  uefiX64File: 'shimx64.efi',
  uefiArm64File: 'ipxe-arm64.efi',
  httpBootUrl: 'http://10.77.0.1:8470/boot/shimx64.efi',
  ipxeBiosUrl: `http://10.77.0.1:8470/boot/v1/ipxe?mac=\${netX/mac}&uuid=\${uuid}&firmware=bios`,
  ipxeUefiUrl: `http://10.77.0.1:8470/boot/v1/ipxe?mac=\${netX/mac}&uuid=\${uuid}&firmware=uefi-x64`,
};

function write(t: TestContext, text: string): string {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'config'), text);
  return join(folder, 'config');
}

test('every snippet names all that machines need', () => {
  for (const kind of externalKinds) {
    const text = renderExternal(kind, facts);
    const { ipxeBiosUrl, ipxeUefiUrl, ...rest } = facts;
    for (const value of Object.values(rest)) assert.ok(text.includes(value), `${kind} lacks ${value}`);
    if (kind !== 'windows') assert.ok(text.includes(ipxeBiosUrl) && text.includes(ipxeUefiUrl));
  }
});

// Nobody has run it on a Windows Server: a change of this text must be a wanted one.
test('the PowerShell text for Windows is the one that was reviewed', () => {
  const reviewed = readFileSync(new URL('golden/external-windows.ps1', import.meta.url), 'utf8');
  assert.equal(renderExternal('windows', facts), reviewed);
});

test('dnsmasq takes its snippet', async (t) => {
  const { stderr } = await run(['dnsmasq', '--test', `--conf-file=${write(t, renderExternal('dnsmasq', facts))}`]);
  assert.match(stderr, /syntax check OK/);
});

test('ISC dhcpd takes its snippet', { skip: await missing('dhcpd', 'isc-dhcp-server') }, async (t) => {
  const config = write(t, `${renderExternal('isc', facts)}subnet 10.77.0.0 netmask 255.255.255.0 { }\n`);
  await run(['dhcpd', '-4', '-t', '-cf', config]);
});

test('Kea takes its snippet', { skip: await missing('kea-dhcp4', 'kea-dhcp4-server') }, async (t) => {
  const config = write(
    t,
    `{ "Dhcp4": { "interfaces-config": { "interfaces": [] },\n${renderExternal('kea', facts)}} }\n`,
  );
  const { stdout, stderr } = await run(['kea-dhcp4', '-t', config], { okCodes: [0, 1] });
  assert.doesNotMatch(stdout + stderr, /rror/);
});

async function missing(program: string, name: string): Promise<string | false> {
  const { exitCode } = await run(['which', program], { okCodes: [0, 1] });
  return exitCode === 0 ? false : `${program} is missing: apt-get install ${name}`;
}
