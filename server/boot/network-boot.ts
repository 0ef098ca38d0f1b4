/** DHCP, TFTP and the watch for other servers, as the config has them; the daemon starts and stops them as one. */

import { join } from 'node:path';
import type { LeaseView } from '#protocol/admin-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { LeaseTable } from '../db/lease-table.ts';
import type { BootAssets } from './boot-assets.ts';
import { makeBootLookup } from './boot-lookup.ts';
import { FILES_PATH, grubEntryScript } from './boot-script.ts';
import { canBindToDevice } from './device-socket.ts';
import { isSameNetwork, parseAddress } from './dhcp/address.ts';
import { NetworkProbe } from './dhcp/address-probe.ts';
import type { BootLookup } from './dhcp/decision.ts';
import { type ExternalKind, renderExternal } from './dhcp/external.ts';
import { LeasePool, type Reservations } from './dhcp/lease-pool.ts';
import { RivalWatch } from './dhcp/rival-watch.ts';
import { DhcpServer, type FullMode } from './dhcp/server.ts';
import { makeSubnet } from './dhcp/subnet.ts';
import { fixedFiles, type TftpFiles, type TftpSource } from './tftp/files.ts';
import { TftpServer } from './tftp/server.ts';

/** The keys of the config, addresses as text. */
export interface NetworkBootSettings {
  readonly dhcp: 'off' | 'proxy' | 'full' | 'external';
  readonly dhcpClients: 'all' | 'registered';
  readonly tftp: 'off' | 'on';
  readonly poolFirst?: string;
  readonly poolLast?: string;
  readonly leaseS: number;
  readonly router?: string;
  readonly dns?: string;
  readonly ntp?: string;
  readonly domain?: string;
}

export interface NetworkBootOptions {
  readonly settings: NetworkBootSettings;
  readonly network: {
    readonly interface: string;
    readonly address: string;
    readonly netmask: string;
    readonly mac: string;
    /** Other interfaces have addresses, too. */
    readonly hasOthers: boolean;
  };
  /** Base URL of the agent API. */
  readonly agentUrl: string;
  readonly assets: BootAssets;
  readonly leases: LeaseTable;
  readonly reservations: Reservations;
  /** An approved host has this MAC. */
  readonly isRegistered: (mac: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** For the audit log: a word for programs, a sentence for people. */
  readonly onEvent: (action: string, text: string) => void;
}

const MAX_TOLD_SERVERS = 8;
/** Boot loaders: what is small enough for TFTP. Kernel, stage 1 and squashfs go over HTTP alone. */
const TFTP_NAME = /\.(efi|kpxe|pxe)$/;

export class NetworkBoot {
  readonly #agentUrl: string;
  readonly #address: string;
  readonly #pool: LeasePool | undefined;
  readonly #opened: AsyncDisposableStack;

  private constructor(o: NetworkBootOptions, pool: LeasePool | undefined, opened: AsyncDisposableStack) {
    this.#agentUrl = o.agentUrl;
    this.#address = o.network.address;
    this.#pool = pool;
    this.#opened = opened;
  }

  /** Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED, BOOT_POOL_INVALID; then nothing is left open. */
  static async start(o: NetworkBootOptions): Promise<NetworkBoot> {
    await using opened = new AsyncDisposableStack();
    const { settings, network, log, clock } = o;
    const { dhcp } = settings;
    let pool: LeasePool | undefined;
    if (dhcp === 'proxy' || dhcp === 'full') {
      const isAllowed = (mac: string) => settings.dhcpClients === 'all' || o.isRegistered(mac);
      // Asked anew each time: the assets may have been built meanwhile.
      const lookup: BootLookup = (client) => makeBootLookup(o.agentUrl, network.address, o.assets.names)(client);
      const full = dhcp === 'full' ? makeFullMode(o, isAllowed) : undefined;
      pool = full?.pool;
      if (full !== undefined) opened.defer(() => full.probe.close());
      const server = await DhcpServer.start({
        network,
        ...(full === undefined ? {} : { full }),
        boot: (client) => (isAllowed(client.mac) ? lookup(client) : undefined),
        log,
        nowMs: () => clock.nowMs(),
        onOtherServer: makeOtherServerNote(o),
      });
      opened.defer(() => server.stop());
      const onFinding = ({ action, text }: { action: string; text: string }) => o.onEvent(action, text);
      const watch = opened.adopt(new RivalWatch({ network, mode: dhcp, clock, log, onFinding }), (one) => one.stop());
      watch.start();
      if (network.hasOthers && !(await canBindToDevice())) {
        const text = `DHCP hears every interface, though it answers on ${network.interface} alone: the npm package koffi is missing`;
        o.onEvent('dhcp-hears-all', text);
      }
    }
    if (settings.tftp === 'on') {
      const files = bootLoaders(o.assets, o.agentUrl);
      const nowMs = () => clock.nowMs();
      opened.adopt(await TftpServer.start({ address: network.address, files, log, nowMs }), (one) => one.stop());
    }
    return new NetworkBoot(o, pool, opened.move());
  }

  /** Undefined unless DHCP gives addresses. */
  leases(): LeaseView[] | undefined {
    return this.#pool?.list();
  }

  /** What to put into the DHCP server that the network has already. */
  externalSnippet(kind: ExternalKind): string {
    return renderExternal(kind, {
      serverAddress: this.#address,
      biosFile: 'undionly.kpxe',
      uefiX64File: 'shimx64.efi',
      uefiArm64File: 'ipxe-arm64.efi',
      httpBootUrl: `${this.#agentUrl}${FILES_PATH}/shimx64.efi`,
      ipxeBiosUrl: this.#scriptUrl('bios'),
      ipxeUefiUrl: this.#scriptUrl('uefi-x64'),
    });
  }

  /** iPXE fills in the braces itself. */
  #scriptUrl(firmware: string): string {
    return `${this.#agentUrl}/boot/v1/ipxe?mac=\${netX/mac}&uuid=\${uuid}&firmware=${firmware}`;
  }

  stop(): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

function makeFullMode(o: NetworkBootOptions, isAllowed: (mac: string) => boolean): FullMode {
  const { settings, network } = o;
  const serverAddress = parseAddress(network.address);
  const [first, last] = [parseAddress(settings.poolFirst!), parseAddress(settings.poolLast!)];
  const netmask = parseAddress(network.netmask);
  if (first > last || ![first, last].every((one) => isSameNetwork(one, serverAddress, netmask))) {
    const values = {
      first: settings.poolFirst!,
      last: settings.poolLast!,
      network: `${network.address}/${network.netmask}`,
    };
    throw knownError('BOOT_POOL_INVALID', { ...values, interface: network.interface });
  }
  const subnet = makeSubnet(serverAddress, netmask, {
    first,
    last,
    leaseS: settings.leaseS,
    dns: settings.dns === undefined ? [] : [parseAddress(settings.dns)],
    ntp: settings.ntp === undefined ? [] : [parseAddress(settings.ntp)],
    ...(settings.router === undefined ? {} : { router: parseAddress(settings.router) }),
    ...(settings.domain === undefined ? {} : { domain: settings.domain }),
  });
  const { leases: table, reservations, clock } = o;
  const pool = new LeasePool({ subnets: [subnet], serverAddress, table, clock, reservations });
  return { subnets: [subnet], pool, probe: new NetworkProbe(network, o.clock), isAllowed, identity: 'mac' };
}

/** Tells of a server whose offer a client took, once for each. The watch may miss one that answers only its own clients. */
function makeOtherServerNote({ network, onEvent }: NetworkBootOptions): (address: string) => void {
  const told = new Set<string>();
  return (address) => {
    // Anybody may write any address into a packet: the list is bounded.
    if (told.has(address) || told.size >= MAX_TOLD_SERVERS) return;
    told.add(address);
    const text = `A machine on ${network.interface} took an address from another DHCP server, ${address}`;
    onEvent('second-dhcp-server', text);
  };
}

/** GRUB that came over TFTP looks for its first script there. */
export function bootLoaders(assets: BootAssets, agentUrl: string): TftpFiles {
  const script: [string, TftpSource] = ['grub/grub.cfg', { bytes: Buffer.from(grubEntryScript(agentUrl)) }];
  const files = () => {
    const loaders = assets.names.filter((name) => TFTP_NAME.test(name));
    return fixedFiles(new Map([...loaders.map((name) => [name, { path: join(assets.dir, name) }] as const), script]));
  };
  // Made anew for each request: the assets may have been built meanwhile.
  return { find: (name, client) => files().find(name, client) };
}
