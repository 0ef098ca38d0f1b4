/**
 * Snippets for the DHCP server that a LAN has already, when that one is to name the boot file (mode `external`): the admin
 * puts one into its config, and no DHCP of ours is needed.
 */
import type { externalKinds } from '#protocol/admin/dhcp-api.ts';

export type ExternalKind = (typeof externalKinds)[number];

/** What machines are to be told. */
export interface ExternalFacts {
  /** IPv4 address of our TFTP server. */
  readonly serverAddress: string;
  /** Names on the TFTP server. */
  readonly biosFile: string;
  readonly uefiX64File: string;
  readonly uefiArm64File: string;
  /** For UEFI HTTP Boot, x64. */
  readonly httpBootUrl: string;
  /** The scripts for an iPXE that runs already: else it loads itself for ever. */
  readonly ipxeBiosUrl: string;
  readonly ipxeUefiUrl: string;
}

/** Lines for the configuration of another DHCP server, with comments that say where they belong. */
export function renderExternal(kind: ExternalKind, facts: ExternalFacts): string {
  return { isc: renderIsc, kea: renderKea, dnsmasq: renderDnsmasq, windows: renderWindows }[kind](facts);
}

/** dhcpd.conf(5), dhcp-options(5). */
function renderIsc(facts: ExternalFacts): string {
  return `# ISC dhcpd: /etc/dhcp/dhcpd.conf, at the top level or inside the subnet of the machines.
option fleetcast-arch code 93 = unsigned integer 16;
class "fleetcast-http" {
  match if substring (option vendor-class-identifier, 0, 10) = "HTTPClient";
  option vendor-class-identifier "HTTPClient";
  filename "${facts.httpBootUrl}";
}
class "fleetcast-pxe" {
  match if substring (option vendor-class-identifier, 0, 9) = "PXEClient";
  next-server ${facts.serverAddress};
  if exists user-class and option user-class = "iPXE" {
    if option fleetcast-arch = 00:00 {
      filename "${facts.ipxeBiosUrl}";
    } else {
      filename "${facts.ipxeUefiUrl}";
    }
  } elsif option fleetcast-arch = 00:00 {
    filename "${facts.biosFile}";
  } elsif option fleetcast-arch = 00:0b {
    filename "${facts.uefiArm64File}";
  } else {
    filename "${facts.uefiX64File}";
  }
}
`;
}

/** Kea ARM, "Client Classification"; the first class that fits comes first. */
function renderKea(facts: ExternalFacts): string {
  const pxe = "substring(option[60].hex,0,9) == 'PXEClient'";
  // As text Kea 2.2 finds nothing in what iPXE writes there.
  const isIpxe = "option[77].hex == 'iPXE'";
  const tftp = (name: string, test: string, file: string) => ({
    name,
    test,
    'next-server': facts.serverAddress,
    'boot-file-name': file,
  });
  const classes = [
    {
      name: 'fleetcast-http',
      test: "substring(option[60].hex,0,10) == 'HTTPClient'",
      'boot-file-name': facts.httpBootUrl,
      'option-data': [{ name: 'vendor-class-identifier', data: 'HTTPClient' }],
    },
    tftp('fleetcast-ipxe-bios', `${pxe} and ${isIpxe} and option[93].hex == 0x0000`, facts.ipxeBiosUrl),
    tftp('fleetcast-ipxe-uefi', `${pxe} and ${isIpxe} and not (option[93].hex == 0x0000)`, facts.ipxeUefiUrl),
    tftp('fleetcast-bios', `${pxe} and not (${isIpxe}) and option[93].hex == 0x0000`, facts.biosFile),
    tftp('fleetcast-arm64', `${pxe} and not (${isIpxe}) and option[93].hex == 0x000B`, facts.uefiArm64File),
    tftp(
      'fleetcast-x64',
      `${pxe} and not (${isIpxe}) and (option[93].hex == 0x0007 or option[93].hex == 0x0009)`,
      facts.uefiX64File,
    ),
  ];
  const body = JSON.stringify({ 'client-classes': classes }, undefined, 2).split('\n').slice(1, -1).join('\n');
  return `// Kea: /etc/kea/kea-dhcp4.conf, inside "Dhcp4": { … }; mind the comma to what follows.\n${body}\n`;
}

/** dnsmasq(8): dhcp-match, dhcp-boot, dhcp-option-force. */
function renderDnsmasq(facts: ExternalFacts): string {
  return `# dnsmasq: a file in /etc/dnsmasq.d/.
dhcp-userclass=set:fc-ipxe,iPXE
dhcp-match=set:fc-bios,option:client-arch,0
dhcp-match=set:fc-x64,option:client-arch,7
dhcp-match=set:fc-x64,option:client-arch,9
dhcp-match=set:fc-arm64,option:client-arch,11
dhcp-match=set:fc-http,option:client-arch,16
dhcp-boot=tag:fc-ipxe,tag:fc-bios,${facts.ipxeBiosUrl},,${facts.serverAddress}
dhcp-boot=tag:fc-ipxe,tag:!fc-bios,${facts.ipxeUefiUrl},,${facts.serverAddress}
dhcp-boot=tag:!fc-ipxe,tag:fc-bios,${facts.biosFile},,${facts.serverAddress}
dhcp-boot=tag:!fc-ipxe,tag:fc-x64,${facts.uefiX64File},,${facts.serverAddress}
dhcp-boot=tag:!fc-ipxe,tag:fc-arm64,${facts.uefiArm64File},,${facts.serverAddress}
dhcp-boot=tag:fc-http,${facts.httpBootUrl}
dhcp-option-force=tag:fc-http,option:vendor-class,HTTPClient
`;
}

/** PowerShell module DhcpServer: Add-DhcpServerv4Class, Add-DhcpServerv4Policy. Not run: there is no Windows here, as the snippet says. */
function renderWindows(facts: ExternalFacts): string {
  const policies = [
    ['BIOS', 'PXEClient:Arch:00000', facts.biosFile],
    ['UEFI-x64', 'PXEClient:Arch:00007', facts.uefiX64File],
    ['UEFI-x64-EBC', 'PXEClient:Arch:00009', facts.uefiX64File],
    ['UEFI-arm64', 'PXEClient:Arch:00011', facts.uefiArm64File],
    ['HTTP-x64', 'HTTPClient:Arch:00016', facts.httpBootUrl],
  ] as const;
  const lines = policies.flatMap(([name, vendorClass, file], i) => {
    const policy = `fleetcast ${name}`;
    const http = vendorClass.startsWith('HTTPClient');
    const value = http
      ? `Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName '${policy}' -OptionId 60 -Value 'HTTPClient'`
      : `Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName '${policy}' -OptionId 66 -Value '${facts.serverAddress}'`;
    return [
      `Add-DhcpServerv4Class -Name '${policy}' -Type Vendor -Data '${vendorClass}'`,
      `Add-DhcpServerv4Policy -Name '${policy}' -ScopeId $scope -Condition OR -ProcessingOrder ${i + 1} -VendorClass EQ,'${policy}*'`,
      value,
      `Set-DhcpServerv4OptionValue -ScopeId $scope -PolicyName '${policy}' -OptionId 67 -Value '${file}'`,
    ];
  });
  return `# Windows Server DHCP, in PowerShell as administrator. Set the scope of the machines first.
# Written after Microsoft's documentation of the module DhcpServer and never run: try it with one machine of each kind first.
# An iPXE that runs already asks as BIOS or UEFI again: Windows cannot tell it by its user class written as iPXE does.
# Give it a script of its own (autoexec), or let fleetcast answer in proxy mode.
$scope = '192.168.1.0'
Add-DhcpServerv4OptionDefinition -OptionId 60 -Name 'PXEClient' -Type String -ErrorAction SilentlyContinue
${lines.join('\n')}
`;
}
