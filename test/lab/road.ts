/** The road of a deployment on a lab of its own, for tests: golden machines, hosts, a daemon, and the real CLI. */
import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkDisks, type DiskFacts, readDiskFacts } from '#lab/foreign-check.ts';
import { buildGoldenDisk, planGoldenDisk } from '#lab/golden-disk.ts';
import { Lab } from '#lab/lab.ts';
import { scratchOf } from '#lab/run-folder.ts';
import type { EventView } from '#protocol/admin/event-api.ts';
import type { HostView } from '#protocol/admin/host-api.ts';
import type { SessionView } from '#protocol/admin/session-api.ts';
import { takeLabTurn } from './lab-turn.ts';

const POLL_MS = 100;
/** Only a last resort, on a busy machine. */
const QUIET_LIMIT_MS = 180_000;

export interface RoadOptions {
  readonly hosts: readonly string[];
  /** Each image has a golden machine `golden-IMAGE` with a disk of another seed. */
  readonly images: readonly string[];
  readonly usedMiB: number;
  readonly linkMbit: number;
  readonly moreConfig?: string;
  /** Hosts whose disk is larger or smaller than the golden machine's, by so many bytes. */
  readonly moreDiskBytes?: Readonly<Record<string, number>>;
  /** Before the machines are powered on for the first time. */
  readonly prepare?: (lab: Lab) => Promise<void>;
}

export class Road {
  readonly lab: Lab;
  readonly images: readonly string[];
  readonly #moreConfig: string;
  #golden = new Map<string, DiskFacts>();

  private constructor(lab: Lab, { images, moreConfig = '' }: RoadOptions) {
    this.lab = lab;
    this.images = images;
    this.#moreConfig = moreConfig;
  }

  /** Everything up to captured images: hosts registered and waiting, each image in the store. */
  static async build(t: TestContext, options: RoadOptions): Promise<Road> {
    await takeLabTurn(t);
    const goldens = options.images.map((image) => `golden-${image}`);
    const lab = await Lab.create({
      hosts: [...goldens, ...options.hosts],
      linkMbit: options.linkMbit,
      diskBytes: planGoldenDisk(options.usedMiB, 1).diskBytes,
    });
    t.after(() => lab.takeDown());
    for (const [host, moreBytes] of Object.entries(options.moreDiskBytes ?? {})) {
      truncateSync(lab.diskOf(lab.host(host)), planGoldenDisk(options.usedMiB, 1).diskBytes + moreBytes);
    }
    await options.prepare?.(lab);
    const road = new Road(lab, options);
    await road.startDaemon();
    for (const host of lab.topology.hosts) await road.cli(['host', 'add', host.name, host.mac, '--group', 'all']);
    for (const [index, image] of options.images.entries()) {
      const path = lab.diskOf(lab.host(`golden-${image}`));
      const workDir = scratchOf(lab.folder);
      await buildGoldenDisk({ path, workDir, usedMiB: options.usedMiB, seed: index + 1 });
      road.#golden.set(image, await readDiskFacts(path, workDir));
    }
    for (const host of lab.topology.hosts) lab.powerOn(host);
    await road.untilRegistered();
    for (const image of options.images) await road.cli(['capture', `golden-${image}`, '--as', image]);
    return road;
  }

  startDaemon(): Promise<void> {
    return this.lab.startDaemon({ moreConfig: this.#moreConfig });
  }

  /** Runs a CLI command that must succeed; what it printed. */
  async cli(args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.lab.fleetcast(args);
    assert.equal(exitCode, 0, `fleetcast ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Starts a deployment and returns at once with its session. */
  async deploy(image: string, hosts: readonly string[], more: readonly string[] = []): Promise<number> {
    const printed = await this.cli(['--json', 'deploy', image, '--hosts', hosts.join(','), '--yes', ...more]);
    const { sessionId } = JSON.parse(printed.trim().split('\n').at(-1)!) as SessionView;
    assert.equal(typeof sessionId, 'number', printed);
    return sessionId;
  }

  async session(sessionId: number): Promise<SessionView> {
    return (await this.lab.get(`/api/v1/sessions/${sessionId}`)) as SessionView;
  }

  /** Looks again and again until the session is as wanted. Throws with what it looks like when that takes too long. */
  async until(
    sessionId: number,
    what: string,
    isSo: (session: SessionView) => boolean,
    limitMs = 300_000,
  ): Promise<SessionView> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const session = await this.session(sessionId);
      if (isSo(session)) return session;
      if (isEnded(session) || performance.now() > deadline) {
        assert.fail(`session ${sessionId} is not "${what}": ${JSON.stringify(session)}`);
      }
      await delay(POLL_MS);
    }
  }

  /** A quarter of the first pass is out. */
  untilMidCast(sessionId: number): Promise<SessionView> {
    return this.until(sessionId, 'in mid-cast', ({ casts }) => {
      const cast = casts.at(-1);
      return cast !== undefined && cast.endedAtMs === undefined && cast.sentBytes > cast.bytes / 4;
    });
  }

  /** Sentences of the session's events, oldest first. */
  async events(sessionId: number): Promise<string[]> {
    const events = (await this.lab.get(`/api/v1/events?session=${sessionId}`)) as EventView[];
    return events.map(({ text }) => text);
  }

  /** Waits for the end; every task must have succeeded. */
  async untilCompleted(sessionId: number): Promise<SessionView> {
    const session = await this.until(sessionId, 'completed', isEnded, 600_000);
    assert.equal(session.state, 'completed', JSON.stringify(session));
    assert.deepEqual(
      session.tasks.map(({ state, error }) => error?.message ?? state),
      session.tasks.map(() => 'succeeded'),
    );
    return session;
  }

  /** Foreign programs find the image on the disks of these hosts. */
  assertDeployed(image: string, hosts: readonly string[]): Promise<void> {
    return this.assertDisks(
      image,
      hosts.map((host) => this.lab.diskOf(this.lab.host(host))),
    );
  }

  /** As above, the files of the disks. */
  async assertDisks(image: string, disks: readonly string[]): Promise<void> {
    const checks = await checkDisks(this.#golden.get(image)!, disks, { workDir: scratchOf(this.lab.folder) });
    assert.deepEqual(
      checks.map(({ problems }, i) => ({ disk: disks[i], problems })),
      disks.map((disk) => ({ disk, problems: [] })),
    );
  }

  /** What foreign programs say about the disk of the golden machine of an image. */
  goldenFacts(image: string): DiskFacts {
    return this.#golden.get(image)!;
  }

  async untilRegistered(): Promise<void> {
    const deadline = performance.now() + QUIET_LIMIT_MS;
    for (;;) {
      const hosts = (await this.lab.get('/api/v1/hosts')) as HostView[];
      const missing = hosts.filter(({ inventory }) => inventory === undefined).map(({ name }) => name);
      if (missing.length === 0) return;
      assert.ok(performance.now() < deadline, `did not register: ${missing.join(', ')}`);
      await delay(POLL_MS);
    }
  }

  /** The server has not heard of its agent for long enough to say so. */
  async untilAway(name: string): Promise<void> {
    const deadline = performance.now() + 120_000;
    while (((await this.lab.get(`/api/v1/hosts/${name}`)) as HostView).presence !== 'away') {
      assert.ok(performance.now() < deadline, `still there: ${name}`);
      await delay(POLL_MS);
    }
  }

  async untilAsleep(hosts: readonly string[]): Promise<void> {
    const deadline = performance.now() + QUIET_LIMIT_MS;
    while (hosts.some((host) => !this.lab.isAsleep(this.lab.host(host)))) {
      assert.ok(performance.now() < deadline, `still awake: ${hosts.join(', ')}`);
      await delay(POLL_MS);
    }
  }
}

function isEnded({ state }: SessionView): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}
