/** DHCP, TFTP and the watch for other servers on every interface, as the config has them; the daemon starts and stops them as one. */

import { join } from 'node:path';
import type { LeaseView } from '#protocol/admin/dhcp-api.ts';
import { knownError } from '#protocol/errors.ts';
import type { Clock } from '#system/clock.ts';
import type { Logger } from '#system/log.ts';
import type { KeptClock } from '../db/kept-clock.ts';
import type { LeaseTable } from '../db/lease-table.ts';
import type { BootAssets } from './boot-assets.ts';
import type { BootInterface } from './boot-interface.ts';
import { makeBootLookup } from './boot-lookup.ts';
import { FILES_PATH, grubEntryScript } from './boot-script.ts';
import { canBindToDevice } from './device-socket.ts';
import { NetworkProbe } from './dhcp/address-probe.ts';
import type { BootClient } from './dhcp/client-kind.ts';
import { type BootLookup, PXE_PORT, SERVER_PORT } from './dhcp/decision.ts';
import { type ExternalFacts, type ExternalKind, renderExternal } from './dhcp/external.ts';
import type { LeasePool, Reservations } from './dhcp/lease-pool.ts';
import { RivalWatch } from './dhcp/rival-watch.ts';
import { DhcpServer } from './dhcp/server.ts';
import type { Subnet } from './dhcp/subnet.ts';
import { type FrameSender, openFrameSender } from './frame-sender.ts';
import { makeLeasePool } from './full-mode.ts';
import { refuseTakenPort } from './port-holder.ts';
import { routerAdvertisement } from './router-advertisement.ts';
import { fixedFiles, type TftpFiles, type TftpSource } from './tftp/files.ts';
import { TftpServer } from './tftp/server.ts';

/** Keys of the config. */
export interface NetworkBootSettings {
  readonly dhcpClients: 'all' | 'registered';
  /** MACs or their beginnings. */
  readonly dhcpAllow: readonly string[];
  readonly tftp: 'off' | 'on';
  readonly ipv6Ra: 'off' | 'on';
}

export interface NetworkBootOptions {
  readonly settings: NetworkBootSettings;
  /** The deployment network's is the first. */
  readonly interfaces: readonly BootInterface[];
  readonly subnets: readonly Subnet[];
  /** The machine has further interfaces with addresses. */
  readonly hasOthers: boolean;
  readonly assets: BootAssets;
  readonly leases: LeaseTable;
  readonly reservations: Reservations;
  /** An approved host has this MAC. */
  readonly isRegistered: (mac: string) => boolean;
  /** A machine that DHCP must not answer asked to boot: it is to be listed. */
  readonly onUnknown: (client: BootClient) => void;
  readonly clock: Clock;
  /** Leases end by it. */
  readonly kept: KeptClock;
  readonly log: Logger;
  /** For the audit log: a word for programs, a sentence for people. */
  readonly onEvent: (action: string, text: string) => void;
}

const MAX_TOLD_SERVERS = 8;
/** Boot loaders: what is small enough for TFTP. Kernel, stage 1 and squashfs go over HTTP alone. */
const TFTP_NAME = /\.(efi|kpxe|pxe)$/;

export class NetworkBoot {
  readonly #deployment: BootInterface;
  readonly #pool: LeasePool | undefined;
  readonly #opened: AsyncDisposableStack;

  private constructor(deployment: BootInterface, pool: LeasePool | undefined, opened: AsyncDisposableStack) {
    this.#deployment = deployment;
    this.#pool = pool;
    this.#opened = opened;
  }

  /** Throws BOOT_PORT_TAKEN, BOOT_PORT_DENIED, BOOT_SUBNET_MISSING, BOOT_INTERFACES_NEED_KOFFI; then nothing is left open. */
  static async start(o: NetworkBootOptions): Promise<NetworkBoot> {
    await using opened = new AsyncDisposableStack();
    await refuseImpossible(o);
    const pool = makeLeasePool(o);
    for (const one of o.interfaces) {
      if (answersDhcp(one)) await openDhcp(one, pool, o, opened);
      if (o.settings.tftp === 'on' && (one.dhcp !== 'off' || one === o.interfaces[0])) {
        const { address, agentUrl } = one;
        const files = bootLoaders(o.assets, agentUrl);
        const nowMs = () => o.clock.steadyMs();
        opened.adopt(await TftpServer.start({ address, files, log: o.log, nowMs }), (server) => server.stop());
      }
    }
    return new NetworkBoot(o.interfaces[0]!, pool, opened.move());
  }

  /** Undefined unless DHCP gives addresses. */
  leases(): LeaseView[] | undefined {
    return this.#pool?.list();
  }

  /** What to put into the DHCP server that the network has already. */
  externalSnippet(kind: ExternalKind): string {
    return renderExternal(kind, externalFacts(this.#deployment));
  }

  stop(): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

/** What machines are to be told of us by another DHCP server. */
export function externalFacts({ address, agentUrl }: Pick<BootInterface, 'address' | 'agentUrl'>): ExternalFacts {
  return {
    serverAddress: address,
    biosFile: 'undionly.kpxe',
    uefiX64File: 'shimx64.efi',
    uefiArm64File: 'ipxe-arm64.efi',
    httpBootUrl: `${agentUrl}${FILES_PATH}/shimx64.efi`,
    ipxeBiosUrl: scriptUrl(agentUrl, 'bios'),
    ipxeUefiUrl: scriptUrl(agentUrl, 'uefi-x64'),
  };
}

/** iPXE fills in the braces itself. */
function scriptUrl(agentUrl: string, firmware: string): string {
  return `${agentUrl}/boot/v1/ipxe?mac=\${netX/mac}&uuid=\${uuid}&firmware=${firmware}`;
}

function answersDhcp({ dhcp }: BootInterface): boolean {
  return dhcp === 'proxy' || dhcp === 'full';
}

/** Before anything is opened: a server that shares the port would lose packets to us without a word. */
async function refuseImpossible({ interfaces, hasOthers, onEvent }: NetworkBootOptions): Promise<void> {
  const answering = interfaces.filter(answersDhcp);
  const names = answering.map((one) => one.interface).join(', ');
  const canBind = answering.length === 0 || (await canBindToDevice());
  if (!canBind && answering.length > 1) throw knownError('BOOT_INTERFACES_NEED_KOFFI', { interfaces: names });
  for (const one of interfaces) {
    if (answersDhcp(one)) await refuseTakenPort(SERVER_PORT, one);
    if (one.dhcp === 'proxy') await refuseTakenPort(PXE_PORT, one);
  }
  if (canBind || !hasOthers) return;
  const text = `DHCP hears every interface, though it answers on ${names} alone: the npm package koffi is missing`;
  onEvent('dhcp-hears-all', text);
}

async function openDhcp(
  one: BootInterface,
  pool: LeasePool | undefined,
  o: NetworkBootOptions,
  opened: AsyncDisposableStack,
): Promise<void> {
  const { clock, log } = o;
  // Asked anew each time: the assets may have been built meanwhile.
  const boot: BootLookup = (client) => makeBootLookup(one.agentUrl, one.address, o.assets.names)(client);
  const isFull = one.dhcp === 'full' && pool !== undefined;
  const probe = isFull ? opened.adopt(new NetworkProbe(one, clock), (it) => it.close()) : undefined;
  const frames = o.settings.ipv6Ra === 'on' ? await openFrameSender(one.interface) : undefined;
  if (frames !== undefined) opened.adopt(frames, (it) => it.close());
  const server = await DhcpServer.start({
    network: one,
    ...(probe === undefined || pool === undefined
      ? {}
      : { full: { subnets: o.subnets, pool, probe, identity: 'mac' as const } }),
    isAllowed: (mac) => isAllowed(mac, o),
    boot,
    log,
    nowMs: () => clock.steadyMs(),
    onOtherServer: makeOtherServerNote(one, o.onEvent),
    onRefused: o.onUnknown,
    onAnswered: (client) => endWaitForRouter(client, one.mac, frames),
  });
  opened.defer(() => server.stop());
  const onFinding = ({ action, text }: { action: string; text: string }) => o.onEvent(action, text);
  const mode = isFull ? 'full' : 'proxy';
  opened.adopt(new RivalWatch({ network: one, mode, clock, log, onFinding }), (it) => it.stop()).start();
}

function isAllowed(mac: string, { settings, isRegistered }: NetworkBootOptions): boolean {
  if (settings.dhcpClients === 'all' || isRegistered(mac)) return true;
  return settings.dhcpAllow.some((beginning) => mac.startsWith(beginning));
}

/** Twice a boot, with the answers to DISCOVER and REQUEST: one may come before iPXE listens, and one may be lost. */
function endWaitForRouter(client: BootClient, ownMac: string, frames: FrameSender | undefined): void {
  if (client.isIpxe) frames?.send(routerAdvertisement(ownMac, client.mac));
}

/** Tells of a server whose offer a client took, once for each. The watch may miss one that answers only its own clients. */
function makeOtherServerNote(
  { interface: device }: BootInterface,
  onEvent: NetworkBootOptions['onEvent'],
): (address: string) => void {
  const told = new Set<string>();
  return (address) => {
    // Anybody may write any address into a packet: the list is bounded.
    if (told.has(address) || told.size >= MAX_TOLD_SERVERS) return;
    told.add(address);
    const text = `A machine on ${device} took an address from another DHCP server, ${address}`;
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
