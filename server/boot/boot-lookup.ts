/** Which boot loader a machine is given over DHCP, by the kind of program that asks. */
import { FILES_PATH } from './boot-script.ts';
import type { BootClient } from './dhcp/client-kind.ts';
import type { BootAnswer, BootLookup } from './dhcp/decision.ts';

/** First boot loader over TFTP for firmware that is not iPXE yet. */
const loaderOf: Readonly<Partial<Record<BootClient['firmware'], string>>> = {
  bios: 'undionly.kpxe',
  'uefi-x64': 'shimx64.efi',
  'uefi-arm64': 'ipxe-arm64.efi',
};

/** `server` is the base URL of the agent API, `address` the TFTP server. A kind of machine without a loader is not answered. */
export function makeBootLookup(server: string, address: string, names: readonly string[]): BootLookup {
  return (client): BootAnswer | undefined => {
    if (client.isIpxe) {
      const query = new URLSearchParams({ mac: client.mac, firmware: client.firmware });
      if (client.uuid !== undefined) query.set('uuid', client.uuid);
      const url = `${server}/boot/v1/ipxe?${query}`;
      return { fileName: url, serverAddress: address, url };
    }
    const loader = loaderOf[client.firmware];
    if (loader === undefined || !names.includes(loader)) return undefined;
    return { fileName: loader, serverAddress: address, url: `${server}${FILES_PATH}/${loader}` };
  };
}
