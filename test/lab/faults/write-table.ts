/**
 * `bin/node test/lab/faults/write-table.ts [FILE…]`: plays the fault matrix (minutes; needs root), or takes the output of runs
 * that were kept in files, and puts what it came to into docs/reliability.md. Faults that the files do not tell of keep their lines.
 * Exit code 1 when a test fails or a row is missing.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { formatTable, readRows, replaceTable } from './fault-table.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = join(ROOT, 'docs/reliability.md');

const kept = process.argv.slice(2);
const output = kept.length > 0 ? kept.map((path) => readFileSync(path, 'utf8')).join('\n') : await play();
const page = readFileSync(PAGE, 'utf8');
writeFileSync(PAGE, replaceTable(page, formatTable(readRows(output), kept.length > 0 ? page : '')));

async function play(): Promise<string> {
  const files = globSync('test/lab/faults/*.test.ts', { cwd: ROOT });
  const argv = ['--test', '--test-concurrency=1', ...files];
  const { stdout } = await execa(join(ROOT, 'bin/node'), argv, { cwd: ROOT, stdout: ['inherit', 'pipe'] });
  return stdout;
}
