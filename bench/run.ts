/**
 * `npm run bench [-- --only a,c --quick --json FILE]`: runs the benches one after another, prints what they measured and
 * writes it as JSON. bench/README.md says what each one compares and how to read it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { KnownError } from '#protocol/errors.ts';

interface Row {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

interface Bench {
  readonly title: string;
  run(o: { quick: boolean }): Promise<Row[]>;
}

const ROOT = join(import.meta.dirname, '..');

/** Loaded when they run, so that one that cannot be loaded does not stop the others. */
const benches: Readonly<Record<string, Bench>> = {
  a: {
    title: 'cast against bare udp-sender',
    run: async (o) => (await import('./cast.ts')).benchCast(o),
  },
  b: {
    title: 'agent write path against zstd | dd and zstd | partclone.restore',
    run: async (o) => (await import('./agent-write.ts')).benchAgentWrite(o),
  },
  c: {
    title: 'capture against partclone | zstd',
    run: async (o) => (await import('./capture.ts')).benchCapture(o),
  },
  filesystems: {
    title: 'map and capture by filesystem, against partclone | zstd as Clonezilla runs it (not in the default set)',
    run: async (o) => (await import('./filesystems.ts')).benchFilesystems(o),
  },
  fit: {
    title: 'what fitting writes: grown on the host, made smaller on the server (not in the default set)',
    run: async (o) => (await import('./fit-writes.ts')).benchFitWrites(o),
  },
  d: {
    title: 'store read against cat',
    run: async (o) => (await import('./store.ts')).benchStore(o),
  },
  delta: {
    title: 're-image of drifted disks against a full cast (not in the default set)',
    run: async (o) => (await import('./delta.ts')).benchDelta(o),
  },
  boot: {
    title: 'DHCP against dnsmasq, TFTP against atftpd and tftpd-hpa (not in the default set)',
    run: async (o) => (await import('./boot.ts')).benchBoot(o),
  },
  power: {
    title: 'seconds from power-on to the agent, by firmware and phase (not in the default set)',
    run: async (o) => (await import('./power-on.ts')).benchPowerOn(o),
  },
  fetch: {
    title: 'the squashfs over HTTP: 1, 40 and 400 clients, against nginx (not in the default set)',
    run: async (o) => (await import('./fetch.ts')).benchFetch(o),
  },
  stragglers: {
    title:
      'what one slow disk, one slow cable and one dead host cost the others, against Clonezilla’s options (not in the default set)',
    run: async (o) => (await import('./stragglers.ts')).benchStragglers(o),
  },
  oneway: {
    title: 'what lost packets cost a one-way cast, against an acknowledged one (not in the default set)',
    run: async (o) => (await import('./oneway.ts')).benchOneway(o),
  },
  load: {
    title: 'the daemon’s own load with 1000 agents that report (not in the default set)',
    run: async (o) => (await import('./load.ts')).benchLoad(o),
  },
  chunks: {
    title: 'what the size of chunks costs (not in the default set)',
    run: async (o) => (await import('./chunk-size.ts')).benchChunkSize(o),
  },
};
const DEFAULT_SET = ['a', 'b', 'c', 'd'];

const options = readOptions();
const results: { bench: string; title: string; rows: Row[]; problem?: string }[] = [];
for (const name of options.only) {
  const { title, run } = benches[name]!;
  console.log(`\n(${name}) ${title}`);
  try {
    const rows = await run({ quick: options.quick });
    printRows(rows);
    results.push({ bench: name, title, rows });
  } catch (error) {
    const problem = error instanceof KnownError ? `${error.message}. Next: ${error.next}` : String(error);
    console.error(`    failed: ${problem}`);
    if (!(error instanceof KnownError)) console.error((error as Error).stack);
    results.push({ bench: name, title, rows: [], problem });
    process.exitCode = 1;
  }
}
writeResults(options.json);

function readOptions(): { only: string[]; quick: boolean; json: string } {
  try {
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
    const { values } = parseArgs({
      options: {
        only: { type: 'string', default: DEFAULT_SET.join(',') },
        quick: { type: 'boolean', default: false },
        json: { type: 'string', default: join(ROOT, 'bench/results', `${stamp}.json`) },
      },
    });
    const only = values.only.split(',');
    const unknown = only.find((name) => !(name in benches));
    if (unknown !== undefined)
      throw new RangeError(`There is no bench ${unknown}; there are ${Object.keys(benches).join(', ')}`);
    return { only, quick: values.quick, json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n  Next: npm run bench -- [--only a,b,c,d] [--quick] [--json FILE]`);
    process.exit(2);
  }
}

/** One table for rows that measured the same things. */
function printRows(rows: readonly Row[]): void {
  const kinds = Map.groupBy(rows, ({ metrics }) => Object.keys(metrics).join());
  for (const alike of kinds.values()) {
    const names = Object.keys(alike[0]!.metrics);
    const table = new Table({ head: ['', ...names], style: { head: [], border: [] } });
    for (const { name, metrics } of alike) table.push([name, ...names.map((key) => show(metrics[key]!))]);
    console.log(table.toString());
  }
  const busy = rows.filter(({ metrics }) => (metrics.tooBusyRounds ?? 0) > 0).map(({ name }) => name);
  if (busy.length > 0) {
    console.log(
      `NOT VALID: ${busy.join(', ')}: the processors were busy for more than 80 % of a round, so the machine was measured.`,
    );
  }
}

function show(value: number): string {
  if (Number.isNaN(value)) return '–';
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
}

function writeResults(path: string): void {
  const [processor] = cpus();
  const machine = { processors: cpus().length, model: processor?.model ?? '', memoryBytes: totalmem() };
  const about = { atMs: Date.now(), commit: commit(), node: process.version, quick: options.quick, machine };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...about, results }, null, 2)}\n`);
  console.log(`\nWritten to ${path}`);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown'; // not a git tree
  }
}
