/**
 * `npm test [-- PATH…]`: types and style first, then every test (or those below the paths given), two files at a time.
 * Tests of the virtual network take turns by themselves (test/lab/lab-turn.ts), those of workbenches beside each other, and come last.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const ROOT = join(import.meta.dirname, '..');
const FILES_AT_ONCE = 2;
/** One file, turns included, in ms. */
const FILE_LIMIT_MS = 1_800_000;

interface Counts {
  tests: number;
  passed: number;
  failed: number;
  cancelled: number;
  skipped: number;
  todo: number;
}

process.chdir(ROOT);
const wanted = process.argv.slice(2).map((path) => relative(ROOT, join(ROOT, path)));
if (wanted.length === 0) {
  check('types', 'tsc', ['--noEmit']);
  check('style', 'biome', ['check', '--error-on-warnings', '.']);
}
if (process.getuid?.() !== 0) {
  console.log('Not root: tests that need network namespaces are skipped. To run them too: sudo npm test');
}

const files = globSync('test/**/*.test.ts')
  .filter((file) => wanted.length === 0 || wanted.some((path) => file === path || file.startsWith(`${path}/`)))
  .sort((a, b) => Number(isLabTest(a)) - Number(isLabTest(b)) || (a < b ? -1 : 1));
if (files.length === 0) {
  console.error(`No tests below ${wanted.join(', ')}`);
  process.exit(2);
}

// npm puts node_modules/.bin first, where the package dhcp has a program dhcpd: tests mean Debian's.
process.env.PATH = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.endsWith('/node_modules/.bin'))
  .join(':');

let total: Counts | undefined;
const events = run({ files, concurrency: FILES_AT_ONCE, timeout: FILE_LIMIT_MS });
events.on('test:summary', ({ file, counts, success }: { file?: string; counts: Counts; success: boolean }) => {
  if (file !== undefined) return; // one file's own summary
  total = counts;
  if (!success) process.exitCode = 1;
});
const printed = events.compose(new spec());
printed.pipe(process.stdout);
printed.on('end', () => {
  if (total === undefined) process.exitCode = 1;
  else if (process.exitCode === 1) repeatCounts(total);
});

/** After a failure the reporter ends with the failed tests: whoever reads the last lines must still find the counts. */
function repeatCounts(counts: Counts): void {
  const { tests, passed, failed, cancelled, skipped, todo } = counts;
  const lines = Object.entries({ tests, pass: passed, fail: failed, cancelled, skipped, todo });
  process.stdout.write(`\n${lines.map(([name, count]) => `ℹ ${name} ${count}\n`).join('')}`);
}

function isLabTest(file: string): boolean {
  return file.startsWith('test/lab/') || file.startsWith('test/vm/');
}

function check(what: string, program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(join('node_modules/.bin', program), args, { stdio: 'inherit' });
  if (status === 0) return;
  console.error(
    `\nThe check of ${what} failed${error ? ` (${error.message})` : ''}. Next: mend what ${program} says above`,
  );
  process.exit(1);
}
