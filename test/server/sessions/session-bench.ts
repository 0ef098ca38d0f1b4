/** Sessions on a real database with real hosts and events; images, network and agents are small stand-ins. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DeployRequest } from '#protocol/admin/deploy-api.ts';
import type { ImageView, VersionView } from '#protocol/admin/image-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import type { Inventory, Order, Report } from '#protocol/agent-api.ts';
import { chunkIdOf } from '#protocol/chunk.ts';
import { HoleSet } from '#protocol/holes.ts';
import { decodeManifest, encodeManifest } from '#protocol/manifest.ts';
import type { TaskState } from '#protocol/states.ts';
import { defaultConfig } from '#server/config.ts';
import { type Database, openDatabase } from '#server/db/database.ts';
import { EventLog } from '#server/inventory/events.ts';
import { Finishers } from '#server/inventory/finishers.ts';
import { Hosts } from '#server/inventory/hosts.ts';
import { Secrets } from '#server/inventory/secrets.ts';
import { Sessions, type SessionsOptions } from '#server/sessions/sessions.ts';
import type { CastEnd, CastOptions } from '#server/transfer/cast.ts';
import { silentLogger } from '#system/log.ts';
import { sampleRequest } from '../sample-request.ts';
import { HeldClock, letRun } from './held-clock.ts';

export const CHUNKS = 200;
const CHUNK_BYTES = 1 << 20;
const DISK_BYTES = 512 << 20;

/** A cast that was begun and waits for the test to end it. */
export interface HeldCast {
  readonly options: CastOptions;
  end(outcome: CastEnd['outcome'], more?: Partial<CastEnd>): Promise<void>;
}

/** Ordinals of chunks from `from` on, without `to`. */
export function ordinals(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

export class SessionBench {
  readonly clock = new HeldClock();
  readonly config = defaultConfig();
  readonly manifestBytes = makeManifest();
  readonly manifest = decodeManifest(this.manifestBytes);
  readonly casts: HeldCast[] = [];
  /** Another program of the server has them. */
  readonly takenPorts = new Set<number>();
  readonly wakes: string[] = [];
  readonly intakes: string[] = [];
  readonly warnings: string[] = [];
  /** So many chunks of the image the store knows to be gone. */
  missingChunks = 0;
  database: Database;
  events!: EventLog;
  hosts!: Hosts;
  sessions!: Sessions;
  readonly #path: string;
  readonly #agents = new Map<string, number>();

  constructor(t: TestContext) {
    const folder = mkdtempSync(join(tmpdir(), 'fc-sessions-'));
    this.#path = join(folder, 'fleetcast.db');
    this.config.daemon.dataDir = folder;
    // Its agents hear nothing.
    this.config.cast.probePackets = 0;
    this.database = openDatabase(this.#path);
    this.#open();
    t.after(async () => {
      try {
        await this.sessions.stop();
        this.database.close();
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }

  /** Adds approved hosts whose agents have been seen once, long ago. */
  addHosts(...names: string[]): void {
    for (const name of names) {
      const number = this.#agents.size + 1;
      const mac = `52:54:00:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`;
      const { hostId } = this.hosts.add({ name, macs: [mac] });
      this.#agents.set(name, hostId);
      this.hosts.hello(hostId, inventoryOf(name, mac));
    }
  }

  /** Time in which all hosts go silent. */
  async forget(): Promise<void> {
    await this.clock.advance(this.config.session.lostAfterS + 1);
  }

  hostId(name: string): number {
    return this.#agents.get(name)!;
  }

  /** The agent of the host has booted and said hello. */
  arrive(...names: string[]): void {
    for (const name of names) {
      this.hosts.presence.noteSeen(this.hostId(name));
      this.sessions.agents.agentArrived(this.hostId(name), inventoryOf(name, ''));
    }
  }

  order(name: string): Order {
    return this.sessions.agents.orderFor(this.hostId(name));
  }

  /** What an order tells in short: `wait`, `capture`, `release reboot`, or the step of a deployment. */
  told(name: string): string {
    const order = this.order(name);
    if (order.kind === 'release') return `release ${order.action}`;
    return order.kind === 'deploy' ? order.step : order.kind;
  }

  report(name: string, report: Omit<Report, 'rev'>): void {
    this.hosts.presence.noteSeen(this.hostId(name));
    void this.sessions.agents.report(this.hostId(name), { rev: this.order(name).rev, ...report });
  }

  /** Ends the present step, after saying what the host lacks. */
  async done(name: string, lacking?: Iterable<number> | 'all'): Promise<void> {
    const order = this.order(name);
    if (lacking !== undefined && order.kind === 'deploy') {
      await this.sessions.taskData.putHoles(this.hostId(name), order.taskId, holesOf(lacking).encode());
    }
    this.report(name, { status: 'done' });
    await letRun();
  }

  heartbeat(...names: string[]): void {
    for (const name of names) this.report(name, { status: 'working' });
  }

  request(fields: Partial<DeployRequest> = {}): DeployRequest {
    return { ...sampleRequest, hosts: [...this.#agents.keys()], ...fields };
  }

  /** A host that has received everything reads it back without a hole and ends its task. */
  async verifyAndFinish(name: string): Promise<void> {
    assert.equal(this.told(name), 'verify');
    await this.done(name, []);
    assert.equal(this.told(name), 'finish');
    await this.done(name);
  }

  /** Plans and starts a deployment, by default to all hosts. */
  async deploy(fields: Partial<DeployRequest> = {}): Promise<SessionView> {
    const request = this.request(fields);
    const { planId } = await this.sessions.planDeploy(request);
    const view = await this.sessions.startDeploy({ ...request, planId });
    await letRun();
    return view;
  }

  state(sessionId: number): string {
    return this.sessions.view(sessionId).state;
  }

  tasks(sessionId: number): Record<string, TaskState> {
    return Object.fromEntries(this.sessions.view(sessionId).tasks.map((task) => [task.host, task.state]));
  }

  /** The daemon dies at once and comes back: nothing is told to the old one. */
  async restart(): Promise<void> {
    this.database.close();
    // What it still tries to write fails, as after a kill.
    void this.sessions.stop().catch(() => {});
    this.database = openDatabase(this.#path);
    this.casts.length = 0;
    this.#open();
    await letRun();
  }

  /** The sessions as a new daemon has them before it takes them up. */
  withoutResume(): Sessions {
    return this.#makeSessions();
  }

  #open(): void {
    const { database, clock, config } = this;
    this.events = new EventLog(database, clock);
    this.hosts = new Hosts({ database, events: this.events, clock, lostAfterMs: config.session.lostAfterS * 1000 });
    this.sessions = this.#makeSessions();
    this.sessions.resume();
  }

  #makeSessions(): Sessions {
    const { database, clock, config } = this;
    return new Sessions({
      ...{ database, config, clock, hosts: this.hosts, events: this.events, log: silentLogger },
      finishers: this.finishers(),
      secrets: this.secrets(),
      catalog: this.catalog(),
      store: this.#store(),
      network: { interface: 'lo', address: '127.0.0.1' },
      waker: { wake: async (host) => void this.wakes.push(host.name) },
      runCast: (options) => this.#hold(options),
      isPortFree: async (port) => !this.takenPorts.has(port),
    });
  }

  #hold(options: CastOptions): Promise<CastEnd> {
    const { promise, resolve } = Promise.withResolvers<CastEnd>();
    const end = async (outcome: CastEnd['outcome'], more: Partial<CastEnd> = {}) => {
      const bare = { takenBytes: 1, sentBytes: 1, joined: [], dropped: [], retransmits: 0 };
      resolve({ outcome, text: outcome, ...bare, ...more });
      await letRun();
    };
    options.signal.addEventListener('abort', () => void end('aborted'));
    this.casts.push({ options, end });
    return promise;
  }

  finishers(): Finishers {
    const { database, clock, events, config } = this;
    return new Finishers({ database, clock, events, dir: join(config.daemon.dataDir, 'finishers') });
  }

  secrets(): Secrets {
    return new Secrets({
      dir: join(this.config.daemon.dataDir, 'secrets'),
      database: this.database,
      events: this.events,
      sessionNaming: (secret) => this.sessions.running.sessionNaming(secret),
    });
  }

  catalog(): SessionsOptions['catalog'] {
    const { manifest, manifestBytes } = this;
    const version: VersionView = {
      version: 1,
      manifestId: manifest.id,
      createdAtMs: 0,
      sourceHost: 'golden',
      diskBytes: DISK_BYTES,
      usedBytes: CHUNKS * CHUNK_BYTES,
      chunks: CHUNKS,
      storedBytes: CHUNKS * CHUNK_BYTES,
      addedBytes: 0,
      warnings: [],
    };
    const image: ImageView = { name: 'win11', versions: [version] };
    return {
      list: () => [image],
      resolve: () => ({ image: 'win11', version }),
      readManifest: async () => manifestBytes,
      loadManifest: async () => manifest,
      addVersion: async (added) => {
        this.intakes.push(`version of ${added.image}`);
        return { manifestId: manifest.id, image: added.image, version: 1, isNew: true };
      },
      noteWarnings: async (name, number, warnings) => {
        this.warnings.push(...warnings.map((warning) => `${name}@${number}: ${warning}`));
      },
    };
  }

  #store(): SessionsOptions['store'] {
    const note = (what: string) => this.intakes.push(what);
    return {
      locate: async (ids) => {
        const n = ids.length / 32;
        return {
          packIds: new Int32Array(n).fill(-1, 0, this.missingChunks),
          offsets: new Float64Array(n),
          storedBytes: new Uint32Array(n).fill(CHUNK_BYTES),
          plainBytes: new Uint32Array(n).fill(CHUNK_BYTES),
        };
      },
      // Every chunk is damaged: what a host cannot get, it can never get.
      readAt: async (_packId, buffer) => void buffer.fill(0),
      lacking: (ids) => Buffer.alloc(ids.length / 256),
      beginIntake: async () => {
        note('begin');
        return {
          lacking: (ids) => Buffer.alloc(Math.ceil(ids.length / 256)),
          write: async () => ({ stored: 0, duplicates: 0 }),
          finish: async () => ({ addedBytes: 1 }),
          abort: async () => void note('abort'),
        };
      },
    };
  }
}

export function holesOf(lacking: Iterable<number> | 'all'): HoleSet {
  if (lacking === 'all') return HoleSet.all(CHUNKS);
  const holes = HoleSet.none(CHUNKS);
  for (const ordinal of lacking) holes.add(ordinal);
  return holes;
}

function inventoryOf(name: string, mac: string): Inventory {
  return {
    systemUuid: `00000000-0000-4000-8000-${Buffer.from(name.padEnd(6, '_')).toString('hex').slice(0, 12)}`,
    mac,
    macs: [mac],
    manufacturer: 'LabCo',
    product: 'VirtPC',
    serial: name,
    firmware: 'light',
    cpus: 1,
    memoryBytes: 1e9,
    address: '10.0.0.1',
    interface: 'eth0',
    // Slow enough that another pass of the small image is worth its gathering.
    linkMbit: 100,
    disks: [
      {
        path: `/disks/${name}`,
        model: 'Virt disk',
        serial: `D-${name}`,
        sizeBytes: DISK_BYTES,
        sectorBytes: 512,
        transport: 'virtio',
        removable: false,
        readOnly: false,
        inUse: false,
        content: '',
      },
    ],
  };
}

function makeManifest(): Buffer {
  const layout = { label: 'none' as const, sectorBytes: 512, diskBytes: DISK_BYTES, partitions: [] };
  const head = { kind: 'disk' as const, startBytes: 0, sizeBytes: DISK_BYTES, map: 'raw' };
  const ids = Buffer.concat(Array.from({ length: CHUNKS }, (_, i) => chunkIdOf(Buffer.from(`chunk ${i}`))));
  const extents = Float64Array.from([0, CHUNKS * CHUNK_BYTES]);
  return encodeManifest({ chunkBytes: CHUNK_BYTES, hash: 'blake3-256', layout }, [{ head, extents }], ids);
}
