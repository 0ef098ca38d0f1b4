/** Which interfaces machines boot on, with the server's addresses there. */
import type { NetworkInterfaceInfo } from 'node:os';
import type { BootInterface, DhcpMode } from './boot/boot-interface.ts';
import { chooseNetwork } from './network.ts';

/** In the order of `wanted`. Throws INTERFACE_MISSING, INTERFACE_NO_ADDRESS. */
export function chooseBootInterfaces(
  wanted: readonly { readonly name: string; readonly dhcp: DhcpMode }[],
  agentPort: number,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
  links: readonly string[],
): BootInterface[] {
  return wanted.map(({ name, dhcp }) => {
    const { address } = chooseNetwork(interfaces, links, name);
    const info = interfaces[name]?.find((one) => one.address === address);
    return {
      interface: name,
      address,
      netmask: info?.netmask ?? '255.255.255.255',
      mac: info?.mac ?? '00:00:00:00:00:00',
      dhcp,
      agentUrl: `http://${address}:${agentPort}`,
    };
  });
}
