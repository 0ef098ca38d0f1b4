/** An interface on which machines boot: that of the deployment network, or one of `[[boot.interface]]`. */

export type DhcpMode = 'off' | 'proxy' | 'full' | 'external';

export interface BootInterface {
  readonly interface: string;
  /** The server's own on it. */
  readonly address: string;
  readonly netmask: string;
  readonly mac: string;
  readonly dhcp: DhcpMode;
  /** Base URL of the agent API for machines there. */
  readonly agentUrl: string;
}
