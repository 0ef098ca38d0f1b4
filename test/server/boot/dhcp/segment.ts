/** A LAN in network namespaces for tests: one bridge, and machines with one interface `eth0` each. Needs root. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ownNamespace } from '#lab/own-namespace.ts';
import { run } from '#system/run.ts';

const NODE = process.execPath;
/** A line that does not come in this time never comes: only a last resort, a busy machine starts programs slowly. */
const WAIT_MS = 120_000;

/** What everything here ends with: a test, or a bench. */
export interface Owner {
  after(end: () => Promise<unknown>): void;
}

export interface Machine {
  readonly namespace: string;
  readonly mac: string;
  /** argv that runs a program on this machine. */
  on(...argv: readonly string[]): string[];
}

export class Segment {
  static #made = 0;
  readonly #number = ++Segment.#made;
  readonly #t: Owner;
  #machines = 0;

  private constructor(t: Owner) {
    this.#t = t;
  }

  /** Removed when the test ends. */
  static async make(t: Owner): Promise<Segment> {
    const segment = new Segment(t);
    const bridge = await segment.#addNamespace('sw');
    await ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
    await ip('-n', bridge, 'link', 'set', 'br0', 'up');
    return segment;
  }

  /** `address` as in 10.77.0.1/24; without it the machine has none yet. */
  async addMachine(name: string, address?: string): Promise<Machine> {
    const namespace = await this.#addNamespace(name);
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    const mac = await this.attach(namespace, 'eth0', address);
    return { namespace, mac, on: (...argv) => ['ip', 'netns', 'exec', namespace, ...argv] };
  }

  /** Gives a machine, maybe of another segment, an interface here; answers its MAC. */
  async attach(namespace: string, device: string, address?: string): Promise<string> {
    const mac = `52:54:00:77:${hexByte(this.#number)}:${hexByte(++this.#machines)}`;
    const bridge = this.#nameOf('sw');
    const port = `p${this.#machines}`;
    const peer = ['type', 'veth', 'peer', 'name', device, 'address', mac, 'netns', namespace];
    await ip('-n', bridge, 'link', 'add', port, ...peer);
    await ip('-n', bridge, 'link', 'set', port, 'master', 'br0', 'up');
    await ip('-n', namespace, 'link', 'set', device, 'up');
    if (address !== undefined) await ip('-n', namespace, 'address', 'add', address, 'brd', '+', 'dev', device);
    return mac;
  }

  #nameOf(machine: string): string {
    return ownNamespace(`${this.#number}-${machine}`);
  }

  async #addNamespace(name: string): Promise<string> {
    const namespace = this.#nameOf(name);
    await ip('netns', 'add', namespace);
    this.#t.after(() => ip('netns', 'delete', namespace));
    return namespace;
  }
}

function hexByte(number: number): string {
  return (number % 256).toString(16).padStart(2, '0');
}

export async function ip(...args: readonly string[]): Promise<void> {
  await run(['ip', ...args]);
}

/** A program of this project's own that runs on a machine and says JSON lines on stdout. */
export class Program {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];
  #waiting: (() => void)[] = [];
  stderr = '';

  /** Ends with the test. */
  constructor(t: Owner, machine: Machine, file: string, options: unknown) {
    const argv = machine.on(NODE, file, JSON.stringify(options));
    this.child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (text: Buffer) => {
      this.stderr += text.toString();
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
      this.#wakeAll();
    });
    this.child.on('exit', () => this.#wakeAll());
    t.after(() => this.stop());
  }

  /** The first line, old or new, for which `is` holds. */
  async line(is: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.lines.find(is);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null) throw new Error(`the program ended: ${this.stderr}`);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const limit = setTimeout(() => reject(new Error(`the program does not say it: ${this.stderr}`)), WAIT_MS);
      this.#waiting.push(resolve);
      await promise.finally(() => clearTimeout(limit));
    }
  }

  /** Closes its stdin, on which it says its last line and ends; answers that line. */
  async stop(): Promise<Record<string, unknown>> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.stdin!.end();
      await once(this.child, 'exit');
    }
    return this.lines.at(-1) ?? {};
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
